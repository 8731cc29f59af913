"""Claims of the paper that take trainings of their own: each phase trains what is missing, then writes its table.

Command:  python scripts/campaign_checks.py stage3       stage 3 against the best of stage 2 at equal FLOPs
          python scripts/campaign_checks.py swap         recipes swapped between the smallest and the largest member
          python scripts/campaign_checks.py transfer     the searched recipe on three networks it was not made for
          python scripts/campaign_checks.py final        the family and hand-made networks on all 50,000 images
Cost:     on one thread of a CPU, printed first: stage3 6 minutes, swap 3, transfer 25, final 6 hours
Hardware: 2 CPU cores, no GPU; one is used
Needs:    predictors/cifar10 and results/cifar10/family (`campaign_predictor.py`)
Result:   STORE/stage3/, STORE/swap/ (Parquet), STORE/transfer/, STORE/final/ (a folder for each training) and
          OUT/PHASE.md; with `--store data/cifar10` the committed trainings count. Stop with Ctrl-C at any time, start
          again to go on.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from campaign_cifar10 import cifar10
from campaign_networks import NAMES, hand_made
from campaign_tables import markdown, provenance
from campaign_trials import SEED, Campaign
from nars.atomic import write_json, write_text
from nars.data import ImageData, Sample, SampleStore, load_images, trials_of
from nars.network import build
from nars.parallel import torch_threads
from nars.recipe import Augmentation, Recipe, Schedule
from nars.search import search
from nars.space import Architecture, Bounds, Population, architecture_costs, shorten
from nars.stages import open_predictor, scorer
from nars.train import MemberResult, timm_network, train_network

_ROOT = Path(__file__).parent.parent
_SEEDS = tuple(range(100, 105))
"""Fresh ones: what was chosen by an accuracy is compared by others."""
_TIMM = ("mobilenetv3_small_100", "lcnet_100", "resnet10t")
_USUAL = Recipe(learning_rate=0.025, optimizer="sgd", ema=True, weight_decay=5e-4)
"""SGD with momentum, rate 0.1 after its factor of 4, decay 5e-4: the usual start on CIFAR-10."""


@dataclass(frozen=True, kw_only=True)
class Phase:
    """Where a phase reads and writes."""

    campaign: Campaign
    store: Path
    data: Path
    out: Path


def stage3(phase: Phase) -> Iterator[str]:
    """In each FLOPs range: the best measured pair, and the best predicted pair with no more FLOPs than that."""
    plan = phase.out / "stage3.json"
    if not plan.is_file():
        write_json(plan, _plan_stage3(phase))
    document = json.loads(plan.read_text())
    entries = document["budgets"]
    yield f"{2 * len(entries) * len(_SEEDS)} trainings of about 9 s"
    images = phase.campaign.images(phase.campaign.chosen)
    found: dict[str, list[Sample]] = {}
    for entry in entries:
        for name in ("stage 2", "stage 3"):
            label = f"{shorten(entry['budget'])} {name}"
            found[label] = []
            yield from _train(phase, images, np.array(entry[name]), "stage3", found[label], label)
    rows = []
    for entry in entries:
        second, third = (_accuracies(found[f"{shorten(entry['budget'])} {name}"]) for name in ("stage 2", "stage 3"))
        gain = third.mean() - second.mean()
        error = np.sqrt(third.var(ddof=1) / len(third) + second.var(ddof=1) / len(second))
        rows.append((shorten(entry["budget"]), *(shorten(flops) for flops in entry["flops"]),
                     _spread(second), _spread(third), f"{gain:+.2f} ± {error:.2f}"))  # fmt: skip
    text = (
        f"For each FLOPs range, up to the budget and from 1 M below, the pair with the best measured accuracy of the "
        f"first {document['pairs']} (stage 2), and the pair that the shipped predictor and the genetic search find "
        f"there with no more multiply-accumulates than that one has (stage 3). Both "
        f"trained again with {len(_SEEDS)} fresh seeds at the fidelity of the samples: mean and standard deviation of "
        "the validation accuracy in percent, difference with its standard error.\n\n"
    )
    heading = ("budget", "FLOPs, stage 2", "FLOPs, stage 3", "stage 2", "stage 3", "gain")
    _write(phase, "stage3", text + markdown(heading, rows), [s for samples in found.values() for s in samples])


def _plan_stage3(phase: Phase) -> dict[str, Any]:
    space, predictor = open_predictor(_ROOT / "predictors" / "cifar10")
    trials = trials_of(SampleStore(phase.data / "samples", must_exist=True).samples(), space)
    flops, accuracy = trials.costs["flops"], trials.mean
    entries = []
    for bounds in phase.campaign.strata:
        low, high = bounds.limits["flops"]
        inside = np.flatnonzero((low <= flops) & (flops <= high))
        ranked = inside[np.argsort(-accuracy[inside], kind="stable")]
        best = ranked[0]
        equal = Bounds({"flops": (low, float(flops[best]))})
        result = search(
            space,
            scorer(space, predictor),
            equal,
            rng=np.random.default_rng(SEED),
            seed_population=trials.X[ranked[:50]],
        )
        entries.append(
            {
                "budget": high,
                "stage 2": trials.X[best].tolist(),
                "stage 3": result.row.tolist(),
                "flops": [float(flops[best]), result.costs["flops"]],
            }
        )
    return {"pairs": len(trials.X), "budgets": entries}


def swap(phase: Phase) -> Iterator[str]:
    """Both architectures with both recipes."""
    members = _family()
    space = phase.campaign.space
    columns = space.columns_of("recipe")
    ends = {"smallest": np.array(members[0]["choices"]), "largest": np.array(members[-1]["choices"])}
    yield f"{4 * len(_SEEDS)} trainings of about 8 s"
    images = phase.campaign.images(phase.campaign.chosen)
    found: dict[tuple[str, str], list[Sample]] = {}
    for network, row in ends.items():
        for recipe, other in ends.items():
            mixed = row.copy()
            mixed[columns] = other[columns]
            found[network, recipe] = []
            yield from _train(
                phase, images, mixed, "swap", found[network, recipe], f"{network} with recipe of {recipe}"
            )
    rows = []
    for network in ends:
        own = _accuracies(found[network, network])
        (stranger,) = (recipe for recipe in ends if recipe != network)
        foreign = _accuracies(found[network, stranger])
        error = np.sqrt(own.var(ddof=1) / len(own) + foreign.var(ddof=1) / len(foreign))
        change = f"{foreign.mean() - own.mean():+.2f} ± {error:.2f}"
        rows.append((network, _spread(own), _spread(foreign), change))
    text = (
        f"The smallest and the largest member of the family (`family/family.json`), each with its own recipe and with "
        f"the other's, {len(_SEEDS)} fresh seeds at the fidelity of the samples: mean and standard deviation of the "
        f"validation accuracy in percent, difference with its standard error.\n\n"
    )
    heading = ("network", "own recipe", "the other's recipe", "change")
    _write(phase, "swap", text + markdown(heading, rows), [s for samples in found.values() for s in samples])


def transfer(phase: Phase) -> Iterator[str]:
    """timm networks with the recipe of the middle member and with the usual one."""
    fidelity = phase.campaign.reference
    images = phase.campaign.images(fidelity)
    searched = _recipe(_family()[len(_family()) // 2])
    seeds = _SEEDS[:3]
    yield f"{len(_TIMM) * 2 * len(seeds)} trainings of about 80 s"
    rows = []
    for name in _TIMM:
        cells = []
        for label, recipe in (("usual", _USUAL), ("searched", searched)):
            accuracies = []
            for seed in seeds:
                model = timm_network(name, images, recipe=recipe, seed=seed)
                folder = phase.store / "transfer" / f"{name}-{label}-{seed}"
                result = _train_long(
                    model, recipe, images, folder, seed=seed, epochs=fidelity.epochs, batch=fidelity.batch_size,
                    ema_decay=fidelity.ema_decay,
                )  # fmt: skip
                accuracies.append(result.test_accuracy)
                yield f"{name}, {label} recipe, seed {seed}: {result.test_accuracy:.2f} %"
            cells.append(np.array(accuracies))
        rows.append((name, *map(_spread, cells), f"{cells[1].mean() - cells[0].mean():+.2f}"))
    text = (
        f"Networks of timm at 32 px, trained on {fidelity.images:,} images for {fidelity.epochs} epochs with the "
        f"recipe that was searched together with another network (the family's middle member) and with the usual one "
        f"(SGD with momentum, rate 0.1, decay 5e-4, the same schedule, augmentation and averaging); test accuracy in "
        f"percent, mean and standard deviation over {len(seeds)} seeds.\n\n"
    )
    _write(phase, "transfer", text + markdown(("network", "usual recipe", "searched recipe", "change"), rows))


def final(phase: Phase, *, epochs: int = 15) -> Iterator[str]:
    """The family and hand-made networks of the same FLOPs, each trained once on all images."""
    images = load_images("cifar10", resolution=32, validation_fraction=0.02, seed=SEED)
    members = [member for member in _family() if member["budget"] != "5M"]
    rows: list[tuple[object, ...]] = []
    jobs: list[tuple[str, Architecture, Recipe, str]] = []
    for member in members:
        (architecture,) = phase.campaign.space.architectures(np.array([member["choices"]]))
        jobs.append((f"searched {member['budget']}", architecture, _recipe(member), "own"))
    for label in ("usual", "searched"):
        for member in members:
            for name in NAMES:
                network = hand_made(name, flops=member["costs"]["flops"])
                recipe = _USUAL if label == "usual" else _recipe(member)
                jobs.append((f"{name} {member['budget']}", network, recipe, label))
    yield f"{len(jobs)} trainings of about 10 to 20 minutes"
    for name, architecture, recipe, label in jobs:
        model = build(architecture, dropout=recipe.dropout, stochastic_depth=recipe.stochastic_depth, seed=SEED)
        folder = phase.store / "final" / f"{name}-{label}".replace(" ", "-")
        result = _train_long(model, recipe, images, folder, seed=SEED, epochs=epochs, batch=128, ema_decay=0.998)
        costs = architecture_costs(architecture)
        rows.append((name, shorten(costs["flops"]), shorten(costs["params"]), label, f"{result.test_accuracy:.2f}"))
        yield f"{name}, {label} recipe: {result.test_accuracy:.2f} %"
    text = (
        f"Trained on {len(images.train):,} images for {epochs} epochs, one seed ({len(images.validation):,} more "
        f"decide between raw and averaged weights); test accuracy in percent, the test split looked at once per "
        f"network.\n\n"
    )
    _write(phase, "final", text + markdown(("network", "FLOPs", "params", "recipe", "test accuracy"), rows))


def _train(
    phase: Phase, images: ImageData, row: Population, folder: str, into: list[Sample], label: str
) -> Iterator[str]:
    """Train a pair (D,) with the fresh seeds at the fidelity of the samples; all of them end up in `into`."""
    campaign = phase.campaign
    trials = [campaign.trial(row, campaign.chosen, images, seed=seed) for seed in _SEEDS]
    for sample in campaign.train(trials, campaign.chosen, images, phase.store / folder):
        yield f"{label}, seed {sample.seed}: {sample.status} {sample.accuracy} %"
    keys = {trial.key for trial in trials}
    into += [s for s in SampleStore(phase.store / folder).samples() if s.key in keys]


def _train_long(
    model: nn.Module, recipe: Recipe, images: ImageData, folder: Path, *, seed: int, epochs: int, batch: int,
    ema_decay: float,
) -> MemberResult:  # fmt: skip
    with torch_threads(1):
        return train_network(
            model, recipe, images, folder=folder, seed=seed, batch_size=batch, ema_decay=ema_decay,
            schedule=Schedule(epochs=epochs, warmup_epochs=1, kind="cosine"), augmentation=Augmentation(),
        )  # fmt: skip


def _family() -> list[dict[str, Any]]:
    document = json.loads((_ROOT / "results" / "cifar10" / "family" / "family.json").read_text())
    return sorted(document["members"], key=lambda member: float(member["costs"]["flops"]))


def _recipe(member: dict[str, Any]) -> Recipe:
    settings = {k.removeprefix("recipe."): v for k, v in member["record"].items() if k.startswith("recipe.")}
    return Recipe.from_dict(settings)


def _accuracies(samples: Sequence[Sample]) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.array([sample.accuracy for sample in samples if sample.status == "ok"], dtype=np.float64)


def _spread(values: np.ndarray[Any, np.dtype[np.float64]]) -> str:
    return f"{values.mean():.2f} ± {values.std(ddof=1):.2f}"


def _write(phase: Phase, name: str, text: str, samples: Sequence[Sample] = ()) -> None:
    command = f"campaign_checks.py {name}"
    if samples:
        title = provenance(name, samples, command=command)
    else:
        title = (
            f"# {name}\n\nMade by `python scripts/{command}` on {date.today()}: {os.cpu_count()} CPU cores, no GPU, "
            f"one thread, torch {version('torch')}, timm {version('timm')}; image subset and pairs with "
            f"seed {SEED}.\n\n"
        )
    write_text(phase.out / f"{name}.md", title + text)


PHASES = {"stage3": stage3, "swap": swap, "transfer": transfer, "final": final}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("phase", choices=tuple(PHASES))
    parser.add_argument("--store", type=Path, default=Path("runs/campaign-cifar10"))
    parser.add_argument("--data", type=Path, default=_ROOT / "data" / "cifar10", help="the published samples")
    parser.add_argument("--out", type=Path, default=_ROOT / "results" / "cifar10")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    phase = Phase(campaign=cifar10(), store=arguments.store, data=arguments.data, out=arguments.out)
    try:
        for line in PHASES[arguments.phase](phase):
            print(line, flush=True)
    except KeyboardInterrupt:
        print("stopped; every finished training is kept, the same command goes on")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
