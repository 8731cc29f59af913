"""Final training: the largest member on labels, then every member, itself included, by distillation from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from nars.network import build
from nars.recipe import Peers, Recipe, Teaching, joined_peers
from nars.run import Run, Silent
from nars.run.fidelity import final_augmenting, final_settings
from nars.run.outlook import together
from nars.run.settled import MemberIdentity, Settings, clear_replaced, is_settled, keep_settings, place_for, take_places
from nars.run.teaching import NONE, family_teaching, outside_teacher
from nars.space import AnyArchitecture
from nars.stages.finished import TrainedFamily, load_trained, own_teacher, settings_for, untrained
from nars.stages.member import Member, member_architecture, member_recipe
from nars.stages.members import Family
from nars.stages.watching import watching
from nars.train import EpochReport, MemberJob, MemberResult, TrainError, train_members

TEACHER = "teacher"
"""Name of the teaching member's first training, on labels alone."""

_REASON = 200
"""Characters of torch's reason that an error repeats."""


def train(run: Run, family: Family) -> TrainedFamily:
    """Two-step distillation (FBNetV3, section 4.3).

    Each training goes on from its last checkpoint; one that is done is not repeated, and a network that answers two
    budgets is trained once. Where the settings of final training have changed since, the family is trained anew beside
    the old one and then takes its place. Processes that `torchrun` started train each network together, with batch norm
    over all of them.

    Raises:
        ConfigError: a teacher that does not fit.
        DivergedError: the loss of a training is not finite.
        TrainError: a training of other settings is in the folder, or a worker died; starting again goes on.
    """
    with joined_peers(run.execution.device) as (peers, device):
        execution = run.execution.model_copy(update={"device": device})
        if peers.count > 1:
            execution = execution.model_copy(update={"workers": 1})
        return _train_family(run.computed(execution, run.reporter if peers.first else Silent()), family, peers)


def architecture_of(run: Run, member: Member) -> AnyArchitecture:
    """The network of a member, with the classes of final training."""
    architecture = member_architecture(run.space, member)
    return replace(architecture, classes=run.final_classes)


def recipe_of(run: Run, member: Member) -> Recipe:
    """The recipe that was found with it; label smoothing is that of final training unless it was searched."""
    return Recipe.from_dict({"label_smoothing": run.config.final.label_smoothing} | member_recipe(run.space, member))


def network_of(run: Run, member: Member, weights: Path) -> nn.Module:
    """The network of a member with trained weights.

    Raises:
        TrainError: the file is none, or holds the weights of another network.
    """
    model = build(architecture_of(run, member), seed=None)
    try:
        model.load_state_dict(load_file(weights))
    except (OSError, RuntimeError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:_REASON]
        raise TrainError(
            f"{weights} does not hold the weights of {member.name} ({reason}). Put its own file back, or delete "
            f"{weights.parent} to train it again."
        ) from error
    return model


def _train_family(run: Run, family: Family, peers: Peers) -> TrainedFamily:
    own = own_teacher(run, family)
    waiting = untrained(run, family)
    if peers.first:
        clear_replaced(run.folder)
    if waiting:
        teaching, taught_by = _teacher(run, own, peers)
        ordered = sorted(waiting, key=lambda member: -member.costs["flops"])
        wanted = {member.name: (member, settings_for(run, member, taught_by)) for member in ordered}
        how = "on labels" if teaching is None else "by distillation"
        _train_into_place(run, wanted, how, peers=peers, teaching=teaching)
    trained = load_trained(run, family)
    assert trained is not None
    return trained


def _teacher(run: Run, own: Member | None, peers: Peers) -> tuple[Teaching | None, MemberIdentity | str]:
    """The trained teacher, and who it is; a member is trained on labels first."""
    final = run.config.final
    if final.teacher == NONE:
        return None, NONE
    if own is None:
        return outside_teacher(final, run.final_images), final.teacher
    settings = settings_for(run, own, NONE)
    if not is_settled(run.folder, TEACHER, settings, teachers=()):
        _train_into_place(run, {TEACHER: (own, settings)}, f"on labels ({own.name})", peers=peers)
    weights = MemberResult.load(run.folder.training_result(TEACHER)).weights
    return family_teaching(final, network_of(run, own, weights), architecture_of(run, own)), own.identity


def _train_into_place(
    run: Run, wanted: Mapping[str, tuple[Member, Settings]], how: str, *, peers: Peers, teaching: Teaching | None = None
) -> None:
    """Train networks, and put them where the run has them when all are done; what was there counts until then."""
    places = {name: place_for(run.folder, name, settings) for name, (_, settings) in wanted.items()}
    peers.wait()  # before the first of them writes what the others have just read
    if peers.first:
        for name, (_, settings) in wanted.items():
            keep_settings(run.folder, places[name], settings)
    jobs = [
        MemberJob(
            name=name,
            architecture=architecture_of(run, member),
            recipe=recipe_of(run, member),
            folder=run.folder.training(places[name]),
            seed=run.config.seed,
        )
        for name, (member, _) in wanted.items()
    ]
    _train(run, jobs, how, peers=peers, teaching=teaching)
    if peers.first:
        take_places(run.folder, places)
    peers.wait()


def _train(run: Run, jobs: Sequence[MemberJob], how: str, *, peers: Peers, teaching: Teaching | None) -> None:
    """Train some networks side by side, and say how they stand."""
    run.outlook.begin_final()
    config, done = run.config.final, dict.fromkeys((job.name for job in jobs), 0)
    epochs = sum(job.recipe.epochs_of(config.epochs) for job in jobs)
    with (
        run.reporter.bar(f"final training: {how}", epochs) as advance,
        watching(config.watch if peers.first else (), folder=run.folder.path, name=run.config.name) as watch,
    ):

        def on_epoch(name: str, report: EpochReport) -> None:
            value = report.accuracy if report.ema_accuracy is None else report.ema_accuracy
            step, done[name] = report.epoch - done[name], report.epoch
            left = run.left(run.outlook.epochs(sum(done.values()), epochs, teacher=jobs[0].name == TEACHER))
            advance(step, together(f"{name} {report.metric.spell(value)}", left))
            watch(name, report)
            if run.clock is not None:
                run.clock.note()

        results = train_members(
            jobs,
            run.final_images,
            final_settings(run.config, images=len(run.final_images.train)),
            teaching=teaching,
            augmenting=final_augmenting(run.config, lambda: run.space),
            peers=peers,
            workers=1 if run.execution.engine == "in-process" else run.execution.workers or None,
            per_gpu=run.execution.per_gpu,
            threads=run.execution.threads,
            metric=run.metric,
            deadline=None if run.clock is None else run.clock.deadline,
            device=run.execution.device,
            on_epoch=on_epoch,
        )
    if peers.first:
        for name, result in results.items():
            run.log(f"final training: {name} {how}: validation {run.metric.spell(result.validation)}")
