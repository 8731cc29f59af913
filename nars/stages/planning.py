"""What a run will do and what it will cost, before it does anything."""

from __future__ import annotations

from rich.table import Table

from nars.space import cost_range, load_space, shorten
from nars.stages.config import Final, RunConfig
from nars.stages.run import check_costs
from nars.stages.teaching import LARGEST, NONE, check_teacher, member_names

TRAIN_IMAGES = {"digits": 1_437, "fashion-mnist": 60_000, "cifar10": 50_000, "imagenet": 1_281_167}
"""Training images of the sets that are known by name."""
_CLASSES = {"imagenet": 1000}
_GPU_FLOPS = 5e12
"""Sustained operations per second of one GPU on MBConv networks in mixed precision: 2,000 images/s of EfficientNet-B0
(0.39 G multiply-accumulates, x 2 operations, x 3 for forward and backward), about what an A100 reaches."""

_TRAINING = 6
"""Operations per multiply-accumulate and training image: two, for forward and twice that for backward."""


def plan(config: RunConfig) -> Table:
    """Trainings, epochs and estimated GPU-hours of a run, as a table.

    Raises:
        ConfigError: a budget or the FLOPs range lies outside the space.
        SpaceError: the space cannot be read.
    """
    space = load_space(config.space)
    check_costs(config, space)
    check_teacher(config)
    collect, final = config.collect, config.final
    images = TRAIN_IMAGES.get(config.data.name)
    searched = images
    if images is not None and config.data.search_classes:
        searched = round(images * config.data.search_classes / _CLASSES.get(config.data.name, space.classes))
    if searched is not None and config.data.max_train:
        searched = min(searched, config.data.max_train)
    middle = (config.flops.low + config.flops.high) / 2
    # The paper found its stop epoch at 72 % of the full training (108 of 150).
    later = round(0.72 * collect.epochs)
    epochs = collect.per_round * (collect.epochs + (collect.rounds - 1) * later)
    own_teacher = final.teacher in (LARGEST, *member_names(config))
    trainings = len(config.search.budgets) + own_teacher
    smallest, largest = cost_range(space)["flops"]

    table = Table(title=f"Plan of {config.name}", show_header=False)
    size = f"{space.size('architecture'):.2g} architectures x {space.size('recipe'):.2g} recipes"
    table.add_row("space", f"{space.name}: {size}, {shorten(smallest)} to {shorten(largest)} FLOPs")
    table.add_row("stage 1", f"{config.pretraining.pool:,} Sobol pairs, labelled with free statistics")
    table.add_row(
        "stage 2",
        f"{collect.rounds} rounds x {collect.per_round} = {collect.rounds * collect.per_round} trainings "
        f"{'that wait for no other ' if collect.asynchronous else ''}in {shorten(config.flops.low)} to "
        f"{shorten(config.flops.high)} FLOPs: the first round {collect.epochs} epochs, "
        f"later ones as long as the order of candidates needs (about {later}, as in the paper)",
    )
    budgets = ", ".join(shorten(budget) for budget in config.search.budgets)
    table.add_row("stage 3", f"budgets {budgets} FLOPs, on the CPU, seconds each")
    table.add_row("final training", f"{trainings} x {final.epochs} epochs: {_steps(final)}")
    if images is None or searched is None:
        table.add_row("estimate", "not known: the number of images is only known for the built-in data sets")
        return table
    largest_budget, mean_budget = max(config.search.budgets), sum(config.search.budgets) / len(config.search.budgets)
    # A distilled training also runs the teacher forward, a third of a training of the largest.
    per_image = _TRAINING * mean_budget * trainings
    if own_teacher:
        per_image += _TRAINING / 3 * largest_budget * (trainings - 1)
    hours = _TRAINING * middle * searched * epochs / _GPU_FLOPS / 3600
    final_hours = per_image * images * final.epochs / _GPU_FLOPS / 3600
    table.add_row(
        "estimate",
        f"stage 2 {_hours(hours)} GPU-hours ({searched:,} images), "
        f"final training {_hours(final_hours)} GPU-hours ({images:,} images)",
    )
    table.caption = (
        f"One GPU at {_GPU_FLOPS / 1e12:g} T operations per second (an A100 on MBConv networks in mixed precision), "
        f"{_TRAINING} operations per multiply-accumulate and training image."
    )
    return table


def _steps(final: Final) -> str:
    if final.teacher == NONE:
        return "all on labels"
    if final.teacher == LARGEST:
        return "the largest on labels, then all by distillation"
    return f"all by distillation from {final.teacher}"


def _hours(hours: float) -> str:
    return f"{hours:,.0f}" if hours >= 10 else f"{hours:.2g}"
