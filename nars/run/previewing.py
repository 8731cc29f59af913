"""What a run will do and what it will cost, before it does anything."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, isinf

from rich.table import Table

from nars.files import Value
from nars.printing import counted
from nars.recipe import likely, read_policy
from nars.run.checking import Checked, check
from nars.run.config import Execution, Final, RunConfig
from nars.run.fidelity import built_in_choices, learned_choices, warms_up
from nars.run.outlook import LIKELY_STOP
from nars.run.own_task import own_facts
from nars.run.rehearsing import Pace, rehearse
from nars.run.teaching import LARGEST, NONE, teaches_itself
from nars.space import Space, SpaceError, cost_range, cost_unit, shorten, sobol
from nars.space.describe import power

_GPU_FLOPS = 5e12
"""Sustained operations per second of one GPU on MBConv networks in mixed precision: 2,000 images/s of EfficientNet-B0
(0.39 G multiply-accumulates, x 2 operations, x 3 for forward and backward), about what an A100 reaches."""

_TRAINING = 6
"""Operations per multiply-accumulate and training image: two, for forward and twice that for backward."""

_WORTH_A_GPU = 1.0
"""GPU-hours from which they are said."""

_BUSY = 1.5
"""Times as long as alone, from which that is said."""


def preview(config: RunConfig, execution: Execution | None = None, *, checked: Checked | None = None) -> Table:
    """Trainings, epochs and the time they will take, as a table.

    Trains two networks of the space for a step or two, under two seconds each.

    Args:
        config: what to do.
        execution: how.
        checked: what `check` found; it is asked when None.

    Raises:
        ConfigError: what `check` finds.
    """
    execution = execution or Execution()
    checked = checked or check(config, execution, upto="export")
    space, collect, final = checked.space, config.collect, config.final
    table = Table(title=f"Plan of {config.name}", show_header=False)
    size = f"{power(space.size('architecture'))} architectures x {power(space.size('recipe'))} recipes"
    table.add_row("space", f"{space.name}: {size}{_ends(space)}")
    table.add_row("stage 1", f"{config.pretraining.pool:,} Sobol pairs, labelled with free statistics")
    table.add_row(
        "stage 2",
        "nothing is searched"
        if not collect.rounds
        else f"{collect.rounds} rounds x {collect.per_round} = {collect.rounds * collect.per_round} trainings "
        f"{'that wait for no other ' if collect.asynchronous else ''}in {config.range}: the first round "
        f"{counted(collect.epochs, 'epoch')}, "
        f"later ones as long as the order of candidates needs (about {_later(config)}, as in the paper)",
    )
    budgets = "; ".join(map(str, config.budgets))
    table.add_row("stage 3", f"{counted(len(config.budgets), 'budget')}: {budgets}; on the CPU, seconds each")
    if config.family.scale:
        scaled = "; ".join(map(str, config.family.scale))
        table.add_row("scaling", f"{counted(len(config.family.scale), 'member')} beyond the searched ones: {scaled}")
    if not config.trains_images:
        metric = config.measured
        table.add_row(
            "trainer", f"{own_facts(config).name}, which gives {metric.title}; the {metric.best_word} is best"
        )
        table.add_row("final training", f"each member, {counted(final.epochs, 'epoch')}, by the same trainer")
        table.add_row("time", "known when the first trainings are done")
        return table
    trainings = len(config.members) + teaches_itself(config)
    copies = f" x {final.copies} copies" if final.learns else ""
    table.add_row("final training", f"{trainings} x {final.epochs} epochs{copies}: {_steps(final)}")
    if final.learns or final.draws:
        table.add_row("augmentation", _augmentation(config, checked))
    table.add_row("averages", _averages(config, checked))
    table.add_row("images", _images(config, checked))
    pace = rehearse(config, execution, space)
    search, family = _seconds(config, execution, checked, pace)
    about = "at most" if pace.cautious else "about"  # a rate of one step with all that goes before it is a bound
    table.add_row(
        "time",
        f"stage 2 {about} {_time(search)}, final training {about} {_time(family)} on this machine "
        f"({pace.at_once} at once on {pace.device}; one step of {pace.batch} images measured: "
        f"{_figure(pace.step_milliseconds)} ms at {shorten(pace.middle)} FLOPs{_doubts(pace)})",
    )
    hours = _gpu_hours(config, checked)
    if sum(hours) >= _WORTH_A_GPU:
        table.add_row("GPU-hours", f"stage 2 {hours[0]:,.0f}, final training {hours[1]:,.0f} GPU-hours")
        table.caption = (
            f"One GPU at {_GPU_FLOPS / 1e12:g} T operations per second (an A100 on MBConv networks in mixed "
            f"precision), {_TRAINING} operations per multiply-accumulate and training image."
        )
    return table


def _augmentation(config: RunConfig, checked: Checked) -> str:
    """How it is learned, from what, over which choices; or whose is drawn."""
    final, sizes = config.final, checked.sizes
    assert sizes is not None
    every = "epoch" if final.online.chunk == 1 else f"{final.online.chunk} epochs"
    if final.draws:
        drawn = read_policy(final.policy)
        return f"drawn anew each {every} from what {final.policy} has learned, most likely {likely(drawn)}"
    cropping = config.images.cropping
    choices, built_in = learned_choices(checked.space, cropping), built_in_choices(checked.space, cropping)
    whose = (
        ("Choices of the space", [name for name in choices if name not in built_in]),
        ("Built-in choices, as the space has none", built_in),
    )
    listed = ". ".join(
        f"{of}: {'; '.join(f'{name} {_listed(choices[name])}' for name in names)}" for of, names in whose if names
    )
    return (
        f"learned while training: {final.copies} copies, each with settings of its own, the best goes on after each "
        f"{every} ({ceil(final.epochs / final.online.chunk)} updates of the distribution). Its reward is the accuracy "
        f"on the {sizes.validated:,} validation images, which is flattered by that; the test images have no part in "
        f"it. {listed}"
    )


def _listed(values: Sequence[Value]) -> str:
    return ", ".join(value if isinstance(value, str) else f"{value:g}" for value in values)


def _averages(config: RunConfig, checked: Checked) -> str:
    """What the decay of the averaged weights does."""
    assert checked.sizes is not None
    parts = ("stage 2", config.collect, checked.sizes.searched), ("final training", config.final, checked.sizes.trained)
    told = []
    for name, part, images in parts:
        warmup = warms_up(part, images)
        how = "rises to" if warmup else "constant at"
        why = " (so short a training)" if warmup and part.ema_warmup == "auto" else ""
        told.append(f"{name} {how} {part.ema_decay:g}{why}")
    return (
        f"of weights, where the recipe has them; their decay in {', in '.join(told)}; ema_warmup decides (paper: false)"
    )


def _images(config: RunConfig, checked: Checked) -> str:
    images, sizes, data = checked.images, checked.sizes, config.images
    assert images is not None
    assert sizes is not None
    text = (
        f"{images.name}: {len(images.classes):,} classes, {sizes.trained:,} training / {sizes.validated:,} "
        f"validation / {images.test:,} test images"
    )
    if sizes.searched < sizes.trained:
        classes = f" of {data.search_classes} classes" if data.search_classes else ""
        text += f"; the search trains on {sizes.searched:,}{classes}"
    return text if images.present else f"{text}; downloaded first"


def _ends(space: Space) -> str:
    """From where to where its first cost goes, if that is known."""
    try:
        ends = cost_range(space) if space.cost_names else {}
    except SpaceError:
        return ""
    name = "flops" if "flops" in ends else next(iter(ends), "")
    return f", {shorten(ends[name][0])} to {shorten(ends[name][1])} {cost_unit(name)}" if name else ""


def _flops_range(space: Space) -> tuple[float, float]:
    """The ends of the FLOPs; of some candidates where the space is too large to know its own."""
    try:
        return cost_range(space)["flops"]
    except SpaceError:
        some = space.costs(sobol(space, 256, seed=0))["flops"]
        return float(some.min()), float(some.max())


def _middle(config: RunConfig, space: Space) -> float:
    """FLOPs halfway through the range of stage 2."""
    ends = _flops_range(space)
    low, high = config.range.limits.get("flops", ends)
    return (low + min(high, ends[1])) / 2 if isinf(high) else (low + high) / 2


def _flops(config: RunConfig, space: Space) -> list[float]:
    """FLOPs of each member, about: what its budget allows."""
    largest = min(config.range.high("flops"), _flops_range(space)[1])
    return [largest if isinf(high := budget.high("flops")) else high for budget in config.members]


def _later(config: RunConfig) -> int:
    return round(LIKELY_STOP * config.collect.epochs)


def _epochs(config: RunConfig) -> int:
    """Epochs of all trainings of stage 2."""
    collect = config.collect
    if not collect.rounds:
        return 0
    return collect.per_round * (collect.epochs + (collect.rounds - 1) * _later(config))


def _seconds(config: RunConfig, execution: Execution, checked: Checked, pace: Pace) -> tuple[float, float]:
    """Wall time of stage 2 and of final training."""
    middle, members, sizes = _middle(config, checked.space), _flops(config, checked.space), checked.sizes
    assert sizes is not None

    def epoch(flops: float, images: int, teacher: float | None = None) -> float:
        looks = 2 * sizes.validated  # with the network and with its averaged weights
        seconds = images * pace.train(flops) + looks * pace.forward(flops)
        return seconds + (images * pace.forward(teacher) if teacher is not None else 0.0)

    search = _epochs(config) * epoch(middle, sizes.searched) / pace.at_once
    teacher = max(members) if config.final.teacher != NONE else None
    epochs = config.final.epochs * config.final.copies
    jobs = [epochs * epoch(flops, sizes.trained, teacher) for flops in sorted(members, reverse=True)]
    family = _makespan(jobs, pace.at_once)
    if teaches_itself(config):
        family += epochs * epoch(max(members), sizes.trained)
    return search, family


def _doubts(pace: Pace) -> str:
    """What the measured step is to be taken with."""
    told = ", the first, which sets things up: later ones are faster" if pace.cautious else ""
    if pace.busy >= _BUSY:
        told += f"; other programs use this machine now, alone it would take 1/{pace.busy:.1f} of that"
    return told


def _makespan(jobs: Sequence[float], at_once: int) -> float:
    """When the last of these ends, each begun as soon as a worker is free."""
    busy = [0.0] * at_once
    for job in jobs:
        busy[busy.index(min(busy))] += job
    return max(busy)


def _figure(milliseconds: float) -> str:
    return f"{milliseconds:,.0f}" if milliseconds >= 100 else f"{milliseconds:.3g}"


def _gpu_hours(config: RunConfig, checked: Checked) -> tuple[float, float]:
    """The work of stage 2 and of final training, counted in operations."""
    members, final, sizes = _flops(config, checked.space), config.final, checked.sizes
    assert sizes is not None
    trainings = len(members) + teaches_itself(config)
    # A distilled training also runs the teacher forward, a third of a training of the largest.
    per_image = _TRAINING * sum(members) / len(members) * trainings
    if teaches_itself(config):
        per_image += _TRAINING / 3 * max(members) * (trainings - 1)
    operations = (
        _TRAINING * _middle(config, checked.space) * sizes.searched * _epochs(config),
        per_image * sizes.trained * final.epochs * final.copies,
    )
    search, family = (total / _GPU_FLOPS / 3600 for total in operations)
    return search, family


def _steps(final: Final) -> str:
    if final.teacher == NONE:
        return "all on labels"
    if final.teacher == LARGEST:
        return "the largest on labels, then all by distillation"
    return f"all by distillation from {final.teacher}"


def _time(seconds: float) -> str:
    for unit, length in (("years", 365 * 86400.0), ("days", 86400.0), ("hours", 3600.0), ("minutes", 60.0)):
        if seconds >= 2 * length:
            return f"{seconds / length:,.0f} {unit}"
    return f"{seconds:.0f} seconds"
