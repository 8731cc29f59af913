"""Claims that take some short trainings of their own: each phase trains what is missing, then writes its table.

Command:  python scripts/campaign_checks.py stage3       stage 3 against the best of stage 2 at equal FLOPs
          python scripts/campaign_checks.py swap         recipes swapped between the smallest and the largest member
Cost:     on one thread of a CPU: stage3 6 minutes, swap 2
Hardware: 2 CPU cores, no GPU; one is used
Needs:    predictors/cifar10 and results/cifar10/family (`trained_predictors.py`, `campaign_family.py`)
Result:   STORE/stage3/, STORE/swap/ (Parquet) and OUT/PHASE.md; with `--store data/cifar10` the committed
          trainings count. Stop with Ctrl-C at any time, start again to go on.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from campaign_cifar10 import cifar10
from campaign_tables import markdown, provenance
from campaign_trials import SEED, Campaign, raw_samples, say
from nars.files.atomic import write_json, write_text
from nars.images import ImageData
from nars.recipe import Recipe
from nars.search import search
from nars.space import Bounds, Population, shorten
from nars.stages import open_predictor, scorer
from nars.store import Sample, SampleStore
from nars.trials import trials_of

_ROOT = Path(__file__).parent.parent
SEEDS = tuple(range(100, 104))
"""Fresh ones: what was chosen by an accuracy is compared by others."""


@dataclass(frozen=True, kw_only=True)
class Phase:
    """Where a phase reads and writes."""

    campaign: Campaign
    store: Path
    data: Path
    out: Path
    part: tuple[int, int] = (1, 1)
    """Which of how many equal parts of a long phase's trainings to do here."""

    def mine(self, number: int) -> bool:
        """Whether the training of this number, from 0, is in this part."""
        return number % self.part[1] == self.part[0] - 1


def stage3(phase: Phase) -> Iterator[str]:
    """In each FLOPs range: the best measured pair, and the best predicted pair with no more FLOPs than that."""
    plan = phase.out / "stage3.json"
    if not plan.is_file():
        write_json(plan, _plan_stage3(phase))
    document = json.loads(plan.read_text())
    entries = document["budgets"]
    yield f"{2 * len(entries) * len(SEEDS)} trainings of about 9 s"
    images = phase.campaign.images(phase.campaign.chosen)
    found: dict[str, list[Sample]] = {}
    for entry in entries:
        for name in ("stage 2", "stage 3"):
            label = f"{shorten(entry['budget'])} {name}"
            found[label] = []
            yield from train_fresh(phase, images, np.array(entry[name]), "stage3", found[label], label)
    rows = []
    for entry in entries:
        second, third = (accuracies_of(found[f"{shorten(entry['budget'])} {name}"]) for name in ("stage 2", "stage 3"))
        gain = third.mean() - second.mean()
        error = np.sqrt(third.var(ddof=1) / len(third) + second.var(ddof=1) / len(second))
        rows.append(
            (
                shorten(entry["budget"]),
                *(shorten(flops) for flops in entry["flops"]),
                spread(second),
                spread(third),
                f"{gain:+.2f} ± {error:.2f}",
            )
        )
    text = (
        f"For each FLOPs range, up to the budget and from 1 M below, the pair with the best measured accuracy of the "
        f"first {document['pairs']} (stage 2), and the pair that the shipped predictor and the genetic search find "
        f"there with no more multiply-accumulates than that one has (stage 3). Both "
        f"trained again with {len(SEEDS)} fresh seeds at the fidelity of the samples: mean and standard deviation of "
        "the validation accuracy in percent, difference with its standard error.\n\n"
    )
    heading = ("budget", "FLOPs, stage 2", "FLOPs, stage 3", "stage 2", "stage 3", "gain")
    write_table(phase, "stage3", text + markdown(heading, rows), [s for samples in found.values() for s in samples])


def _plan_stage3(phase: Phase) -> dict[str, Any]:
    space, predictor = open_predictor(_ROOT / "predictors" / "cifar10")
    trials = trials_of(raw_samples(phase.data / "samples"), space)
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
    members = family_members()
    space = phase.campaign.space
    columns = space.columns_of("recipe")
    ends = {"smallest": np.array(members[0]["choices"]), "largest": np.array(members[-1]["choices"])}
    yield f"{4 * len(SEEDS)} trainings of about 8 s"
    images = phase.campaign.images(phase.campaign.chosen)
    found: dict[tuple[str, str], list[Sample]] = {}
    for network, row in ends.items():
        for recipe, other in ends.items():
            mixed = row.copy()
            mixed[columns] = other[columns]
            found[network, recipe] = []
            yield from train_fresh(
                phase, images, mixed, "swap", found[network, recipe], f"{network} with recipe of {recipe}"
            )
    rows = []
    for network in ends:
        own = accuracies_of(found[network, network])
        (stranger,) = (recipe for recipe in ends if recipe != network)
        foreign = accuracies_of(found[network, stranger])
        error = np.sqrt(own.var(ddof=1) / len(own) + foreign.var(ddof=1) / len(foreign))
        change = f"{foreign.mean() - own.mean():+.2f} ± {error:.2f}"
        rows.append((network, spread(own), spread(foreign), change))
    text = (
        f"The smallest and the largest member of the family (`family/family.json`), each with its own recipe and with "
        f"the other's, {len(SEEDS)} fresh seeds at the fidelity of the samples: mean and standard deviation of the "
        f"validation accuracy in percent, difference with its standard error.\n\n"
    )
    heading = ("network", "own recipe", "the other's recipe", "change")
    write_table(phase, "swap", text + markdown(heading, rows), [s for samples in found.values() for s in samples])


def train_fresh(
    phase: Phase, images: ImageData, row: Population, folder: str, into: list[Sample], label: str
) -> Iterator[str]:
    """Train a pair (D,) with the fresh seeds at the fidelity of the samples; all of them end up in `into`."""
    campaign = phase.campaign
    trials = [campaign.trial(row, campaign.chosen, images, seed=seed) for seed in SEEDS]
    for sample in campaign.train(trials, campaign.chosen, images, phase.store / folder):
        yield f"{label}, seed {sample.seed}: {sample.status} {sample.value} %"
    keys = {trial.key for trial in trials}
    into += [s for s in SampleStore(phase.store / folder).samples() if s.key in keys]


def family_members() -> list[dict[str, Any]]:
    document = json.loads((_ROOT / "results" / "cifar10" / "family" / "family.json").read_text())
    return sorted(document["members"], key=lambda member: float(member["costs"]["flops"]))


def recipe_of(member: dict[str, Any]) -> Recipe:
    settings = {k.removeprefix("recipe."): v for k, v in member["record"].items() if k.startswith("recipe.")}
    return Recipe.from_dict(settings)


def accuracies_of(samples: Sequence[Sample]) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.array([sample.value for sample in samples if sample.status == "ok"], dtype=np.float64)


def spread(values: np.ndarray[Any, np.dtype[np.float64]]) -> str:
    return f"{values.mean():.2f} ± {values.std(ddof=1):.2f}"


def write_table(phase: Phase, name: str, text: str, samples: Sequence[Sample] = ()) -> None:
    command = f"{Path(sys.argv[0]).name} {name}"
    if samples:
        title = provenance(name, samples, command=command)
    else:
        title = (
            f"# {name}\n\nMade by `python scripts/{command}` on {date.today()}: {os.cpu_count()} CPU cores, no GPU, "
            f"one thread, torch {version('torch')}, timm {version('timm')}; image subset and pairs with "
            f"seed {SEED}.\n\n"
        )
    write_text(phase.out / f"{name}.md", title + text)


def part_of(text: str) -> tuple[int, int]:
    """ "2/3" as (2, 3): the second of three parts."""
    try:
        part, parts = map(int, text.split("/"))
    except ValueError:
        part = parts = 0
    if not 1 <= part <= parts:
        raise argparse.ArgumentTypeError(f"a part is I/N with I from 1 to N, such as 2/3; got {text!r}")
    return part, parts


def run_phases(about: str | None, phases: Mapping[str, Callable[[Phase], Iterator[str]]]) -> int:
    """The command line: runs the phase it names, line by line; returns the exit status."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("phase", choices=tuple(phases))
    parser.add_argument("--store", type=Path, default=Path("runs/campaign-cifar10"))
    parser.add_argument("--data", type=Path, default=_ROOT / "data" / "cifar10", help="the published samples")
    parser.add_argument("--out", type=Path, default=_ROOT / "results" / "cifar10")
    parser.add_argument(
        "--part",
        type=part_of,
        default=(1, 1),
        metavar="I/N",
        help="transfer, final: this part of the trainings, for N processes at once; a run of all makes the table",
    )
    arguments = parser.parse_args()
    phase = Phase(
        campaign=cifar10(), store=arguments.store, data=arguments.data, out=arguments.out, part=arguments.part
    )
    return say(phases[arguments.phase](phase))


if __name__ == "__main__":
    sys.exit(run_phases(__doc__, {"stage3": stage3, "swap": swap}))
