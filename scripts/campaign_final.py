"""Claims that take longer, or very many, trainings.

Command:  python scripts/campaign_final.py contest      joint, parts, random, evolution, TPE: every training a real one
          python scripts/campaign_final.py transfer     the searched recipe on three networks it was not made for
          python scripts/campaign_final.py final        the family and hand-made networks on all 50,000 images
          (transfer or final with --part 1/2 and with --part 2/2 in two terminals: half of the trainings each)
Cost:     on one thread of a CPU: contest 3 hours, transfer 40 minutes, final 2 1/2 hours
Hardware: 2 CPU cores, no GPU; one is used, in two parts both. `final` compiles: it needs a C++ compiler
Needs:    results/cifar10/family (`campaign_family.py`)
Result:   STORE/contest/ (Parquet), STORE/transfer/, STORE/final/ (a folder with a checkpoint for each training),
          OUT/PHASE.md, OUT/final.svg. Stop with Ctrl-C at any time, start again to go on.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from torch import nn

from campaign_checks import (
    SEEDS,
    Phase,
    accuracies_of,
    family_members,
    recipe_of,
    run_phases,
    spread,
    train_fresh,
    write_table,
)
from campaign_contest import STRATEGIES, Contest
from campaign_networks import NAMES, hand_made
from campaign_tables import markdown
from campaign_trials import SEED
from nars.images import ImageData, load_images
from nars.network import build
from nars.parallel import torch_threads
from nars.recipe import Recipe, Schedule, TrainingSettings
from nars.space import Architecture, Bounds, architecture_costs, shorten
from nars.store import Sample, SampleStore
from nars.train import MemberResult, timm_network, train_network

_TIMM = ("mobilenetv3_small_100", "lcnet_100", "resnet10t")
_USUAL = Recipe(learning_rate=0.025, optimizer="sgd", ema=True, weight_decay=5e-4)
"""SGD with momentum, rate 0.1 after its factor of 4, decay 5e-4: the usual start on CIFAR-10."""


def contest(phase: Phase, *, trainings: int = 60, repeats: int = 3) -> Iterator[str]:
    """Every strategy with as many trainings; the pair that looked best to it is then trained with fresh seeds."""
    campaign = phase.campaign
    images, folder = campaign.images(campaign.chosen), phase.store / "contest"
    ground = Contest(space=campaign.space, bounds=Bounds({"flops": (1e6, 6e6)}))
    known = {sample.key: sample for sample in SampleStore(folder).samples()}
    yield f"{len(STRATEGIES) * repeats * (trainings + len(SEEDS))} trainings of about 9 s, less those that are done"
    found: dict[str, list[float]] = {name: [] for name in STRATEGIES}
    for repeat in range(repeats):
        for name, strategy in STRATEGIES.items():
            asking = strategy(ground, np.random.default_rng(repeat))
            row = best = next(asking)
            looked = -np.inf
            for number in range(trainings):
                trial = campaign.trial(row, campaign.chosen, images, seed=repeat)
                for sample in campaign.train([trial], campaign.chosen, images, folder):
                    known[sample.key] = sample
                    yield f"{name}, repeat {repeat}, {number + 1}/{trainings}: {sample.value} %"
                accuracy = known[trial.key].value
                if accuracy is not None and accuracy > looked:
                    best, looked = row, accuracy
                row = asking.send(accuracy)
            again: list[Sample] = []
            yield from train_fresh(phase, images, best, "contest", again, f"{name}, repeat {repeat}, its best")
            found[name].append(float(accuracies_of(again).mean()))
    samples = SampleStore(folder).samples()
    text = (
        f"Each strategy asks for {trainings} trainings at the fidelity of the samples, inside 1 to 6 M "
        f"multiply-accumulates; all of them were trained. The pair that looked best to it was trained again with "
        f"{len(SEEDS)} fresh seeds: their mean validation accuracy in percent, mean and standard deviation over "
        f"{repeats} repeats.\n\n"
    )
    rows = [(name, spread(np.array(values))) for name, values in found.items()]
    write_table(phase, "contest", text + markdown(("strategy", "best pair"), rows), samples)


def transfer(phase: Phase) -> Iterator[str]:
    """timm networks with the recipe of the middle member and with the usual one."""
    fidelity = phase.campaign.reference
    images = phase.campaign.images(fidelity)
    searched = recipe_of(family_members()[len(family_members()) // 2])
    seeds = SEEDS[:3]
    recipes = {"usual": _USUAL, "searched": searched}
    jobs = [(name, label, seed) for seed in seeds for name in _TIMM for label in recipes]
    mine = [job for number, job in enumerate(jobs) if phase.mine(number)]
    yield f"{len(mine)} trainings of about 2 minutes"
    accuracies: dict[tuple[str, str], list[float]] = {}
    for name, label, seed in mine:
        model = timm_network(name, images, recipe=recipes[label], seed=seed)
        folder = phase.store / "transfer" / f"{name}-{label}-{seed}"
        result = _train_long(
            model,
            recipes[label],
            images,
            folder,
            seed=seed,
            epochs=fidelity.epochs,
            batch=fidelity.batch_size,
            ema_decay=fidelity.ema_decay,
        )
        accuracies.setdefault((name, label), []).append(result.test_accuracy)
        yield f"{name}, {label} recipe, seed {seed}: {result.test_accuracy:.2f} %"
    if len(mine) < len(jobs):
        return
    rows = []
    for name in _TIMM:
        cells = [np.array(accuracies[name, label]) for label in recipes]
        rows.append((name, *map(spread, cells), f"{cells[1].mean() - cells[0].mean():+.2f}"))
    text = (
        f"Networks of timm at 32 px, trained on {fidelity.images:,} images for {fidelity.epochs} epochs with the "
        f"recipe that was searched together with another network (the family's middle member) and with the usual one "
        f"(SGD with momentum, rate 0.1, decay 5e-4, the same schedule, augmentation and averaging); test accuracy in "
        f"percent, mean and standard deviation over the seeds {', '.join(map(str, seeds))}.\n\n"
    )
    write_table(phase, "transfer", text + markdown(("network", "usual recipe", "searched recipe", "change"), rows))


def final(phase: Phase, *, epochs: int = 5) -> Iterator[str]:
    """The family and hand-made networks of the same FLOPs, each trained once on all images."""
    images = load_images("cifar10", resolution=32, validation_fraction=0.02, seed=SEED)
    members = [member for member in family_members() if member["budget"] != "4M"]  # as 3M's
    rows: list[tuple[object, ...]] = []
    jobs: list[tuple[str, Architecture, Recipe, str]] = []
    points: dict[str, list[tuple[float, float]]] = {}
    for member in members:
        (architecture,) = phase.campaign.space.architectures(np.array([member["choices"]]))
        jobs.append((f"searched {member['budget']}", architecture, recipe_of(member), "own"))
    for label in ("usual", "searched"):
        for member in members:
            for name in NAMES:
                network = hand_made(name, flops=member["costs"]["flops"])
                recipe = _USUAL if label == "usual" else recipe_of(member)
                jobs.append((f"{name} {member['budget']}", network, recipe, label))
    mine = [job for number, job in enumerate(jobs) if phase.mine(number)]
    yield f"{len(mine)} trainings of about 4 minutes"
    for name, architecture, recipe, label in mine:
        model = build(architecture, dropout=recipe.dropout, stochastic_depth=recipe.stochastic_depth, seed=SEED)
        folder = phase.store / "final" / f"{name}-{label}".replace(" ", "-")
        result = _train_long(
            model, recipe, images, folder, seed=SEED, epochs=epochs, batch=128, ema_decay=0.998, compiler="inductor"
        )
        costs = architecture_costs(architecture)
        rows.append((name, shorten(costs["flops"]), shorten(costs["params"]), label, f"{result.test_accuracy:.2f}"))
        points.setdefault(f"{name.rsplit(' ', 1)[0]}, {label} recipe", []).append(
            (costs["flops"], result.test_accuracy)
        )
        yield f"{name}, {label} recipe: {result.test_accuracy:.2f} %"
    if len(mine) < len(jobs):
        return
    text = (
        f"Trained on {len(images.train):,} images for {epochs} epochs, seed {SEED} ({len(images.validation):,} more "
        f"decide between raw and averaged weights); test accuracy in percent, the test split looked at once per "
        f"network. The hand-made networks have the published stages at half of their depth, as wide as the "
        f"multiply-accumulates allow, with strides and a head for small images (`scripts/campaign_networks.py`); the "
        f"usual recipe is SGD with momentum, rate 0.1, decay 5e-4.\n\n![accuracy against FLOPs](final.svg)\n\n"
    )
    _plot(points, phase.out / "final.svg")
    write_table(phase, "final", text + markdown(("network", "FLOPs", "params", "recipe", "test accuracy"), rows))


def _plot(points: dict[str, list[tuple[float, float]]], path: Path) -> None:
    """Test accuracy against FLOPs: a colour for each kind of network, dashes for the searched recipe on another's."""
    figure = Figure(figsize=(7.5, 4.0), layout="constrained")
    axes = figure.subplots()
    kinds = list(dict.fromkeys(label.split(",")[0] for label in points))
    for label, line in points.items():
        kind = label.split(",")[0]
        flops, accuracy = zip(*sorted(line), strict=True)
        axes.plot(
            np.array(flops) / 1e6,
            accuracy,
            "o--" if label.endswith("searched recipe") else "o-",
            color=f"C{kinds.index(kind)}",
            lw=2.5 if kind == "searched" else 1.2,
            label=label,
        )
    axes.set(xlabel="million multiply-accumulates", ylabel="test accuracy, %")
    figure.legend(loc="outside right upper", fontsize=8)
    figure.savefig(path, metadata={"Date": None})


def _train_long(
    model: nn.Module,
    recipe: Recipe,
    images: ImageData,
    folder: Path,
    *,
    seed: int,
    epochs: int,
    batch: int,
    ema_decay: float,
    compiler: str | None = None,
) -> MemberResult:
    with torch_threads(1):
        return train_network(
            model,
            recipe,
            images,
            TrainingSettings(
                schedule=Schedule(epochs=epochs, warmup_epochs=1, kind="cosine"),
                batch_size=batch,
                ema_decay=ema_decay,
                compiler=compiler,
            ),
            folder=folder,
            seed=seed,
        )


if __name__ == "__main__":
    sys.exit(run_phases(__doc__, {"contest": contest, "transfer": transfer, "final": final}))
