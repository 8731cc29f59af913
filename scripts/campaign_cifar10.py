"""Measures architecture-recipe pairs on CIFAR-10, briefly, as many as there is time for.

Command:  python scripts/campaign_cifar10.py collect --pairs 600     the samples, 60 of the pairs with three seeds
          python scripts/campaign_cifar10.py publish                 what was measured so far into data/cifar10/
          (--rehearsal: the digits images instead, in seconds)
Cost:     about 10 s per training; one thread of a CPU
Hardware: 2 CPU cores, no GPU; one is used
Result:   STORE/samples/ (Parquet). Every training is kept as soon as it is done: stop with Ctrl-C at any time, start
          again to go on.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from campaign_trials import Campaign, Fidelity, say, schedule
from nars.space import Bounds, load_space
from nars.store import Sample, SampleStore, merge_stores


def cifar10() -> Campaign:
    """The campaign itself: 1 to 6 M multiply-accumulates."""
    return Campaign(
        image_set="cifar10",
        space=load_space("cifar10"),
        strata=tuple(Bounds({"flops": (low * 1e6, (low + 1) * 1e6)}) for low in range(1, 6)),
        fidelity=Fidelity(images=1600, validation=1000, epochs=5, batch_size=64, resolution=24, ema_decay=0.95),
        flip=True,
    )


def rehearsal() -> Campaign:
    """The same on the digits images, which takes seconds."""
    return Campaign(
        image_set="digits",
        space=load_space("digits"),
        strata=(Bounds({"flops": (0.0, 0.3e6)}), Bounds({"flops": (0.3e6, 1e6)})),
        fidelity=Fidelity(images=200, validation=100, epochs=2, batch_size=50, resolution=8, ema_decay=0.9),
        flip=False,
    )


def collect(campaign: Campaign, store: Path, pairs: int) -> Iterator[str]:
    """Train the first pairs."""
    images = campaign.images()
    X = campaign.pairs()[:pairs]
    trials = (campaign.trial(row, images, seed=seed) for row, seed in schedule(X))
    done, planned = len(SampleStore(store / "samples")), sum(1 for _ in schedule(X))
    for number, sample in enumerate(campaign.train(trials, images, store / "samples"), start=1):
        yield f"{done + number}/{planned}: {spelled(sample)}"


def publish(store: Path, target: Path) -> Iterator[str]:
    """Add what the campaign has measured to the committed stores; only what is new is written."""
    folders = sorted({file.parent.relative_to(store) for file in store.rglob("*.parquet")})
    for folder in folders:
        into = SampleStore(target / folder)
        merged = merge_stores([SampleStore(store / folder)], into)
        into.compact()
        yield f"{folder}: {merged.added} added, {len(into)} in all"


def spelled(sample: Sample) -> str:
    """One training on one line."""
    shown = sample.status if sample.value is None else f"{sample.value:.1f} % (averaged {sample.averaged} %)"
    return f"{sample.costs['flops'] / 1e6:.2f} M, seed {sample.seed}: {shown} in {sample.seconds:.1f} s"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("phase", choices=("collect", "publish"))
    parser.add_argument("--pairs", type=int, default=600, help="the first so many; those done are not repeated")
    parser.add_argument("--store", type=Path, default=Path("runs/campaign-cifar10"))
    parser.add_argument("--rehearsal", action="store_true", help="on the digits images, in seconds")
    arguments = parser.parse_args()
    campaign = rehearsal() if arguments.rehearsal else cifar10()
    if arguments.phase == "collect":
        lines = collect(campaign, arguments.store, arguments.pairs)
    else:
        lines = publish(arguments.store, Path(__file__).parent.parent / "data" / campaign.image_set)
    return say(lines)


if __name__ == "__main__":
    sys.exit(main())
