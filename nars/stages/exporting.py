"""Export: each member as a folder with everything that somebody else needs, checked against PyTorch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from nars.export import (
    Card,
    Verification,
    calibration_images,
    compared_on,
    export_member,
    quantize_member,
    read_card,
    timm_names,
    verify,
)
from nars.images import public_name
from nars.recipe import likeliest_recipe
from nars.run import Run
from nars.run.environment import check_machine
from nars.run.settled import keep_export
from nars.stages.finished import TrainedFamily, unexported
from nars.stages.member_latency import measure_again
from nars.stages.members import Family, distinct
from nars.stages.training import architecture_of, network_of, recipe_of


@dataclass(frozen=True, kw_only=True)
class ExportedFamily:
    """The family as folders that others can use."""

    family: Family
    cards: Mapping[str, Card]
    """Each member's, by name; members with the same network and recipe share one."""


def load_exported(run: Run, trained: TrainedFamily) -> ExportedFamily | None:
    """The exported family; None while the export of a member is missing or of another training.

    Raises:
        ExportError: a card is damaged.
    """
    if unexported(run, trained):
        return None
    members = trained.family.members
    cards = {member.name: read_card(run.folder.member(member.same_as or member.name)) for member in members}
    return ExportedFamily(family=trained.family, cards=cards)


def export(run: Run, trained: TrainedFamily, *, again: bool = False) -> ExportedFamily:
    """Write runs/NAME/family/BUDGET for each member.

    What is there and of the member's training is not made again, unless `again`. A network that answers two budgets
    is exported once.

    Raises:
        ConfigError: the onnx extra is missing.
        ParityError: an exported form differs from PyTorch by more than 1e-4 in a logit.
    """
    check_machine(run.config, run.execution, run.folder, "export")
    members = trained.family.members
    names = timm_names(run.config.name, [member.name for member in members])
    waiting = distinct(members) if again else unexported(run, trained)
    for member in waiting:
        folder, result = run.folder.member(member.name), trained.results[member.name]
        architecture, policy = architecture_of(run, member), result.policy
        recipe = recipe_of(run, member).to_dict() if policy is None else likeliest_recipe(policy)
        with run.reporter.bar(f"export: {member.name}", 1) as advance:
            card = export_member(
                network_of(run, member, result.weights),
                folder,
                name=names[member.name],
                architecture=architecture,
                recipe=recipe,
                data=replace(run.final_images.seen_by(architecture), name=public_name(run.data_facts.name)),
                accuracy={"validation": result.validation_accuracy, "test": result.test_accuracy},
                test_scores=result.test_scores,
                test_classes=result.test_classes,
                policy=policy,
                progress=lambda file: advance(0, file),
            )
        keep_export(run.folder, member.name, result.identity)
        run.log(f"export: {member.name} to {folder}, largest difference {max(card.max_difference.values()):.1e}")
    if waiting:
        measure_again(run)
    exported = load_exported(run, trained)
    assert exported is not None
    return exported


def quantize(run: Run, exported: ExportedFamily) -> ExportedFamily:
    """Add the int8 form to each exported member that has none, with its accuracy on the test images to the card.

    Raises:
        ExportError: ONNX Runtime cannot quantise a network.
    """
    cards = dict(exported.cards)
    for member in distinct(exported.family.members):
        if cards[member.name].int8 is not None:
            continue
        images = run.final_images.seen_by(architecture_of(run, member))
        with run.reporter.bar(f"int8: {member.name}", 1):
            folder = run.folder.member(member.name)
            cards[member.name] = quantize_member(folder, calibration=calibration_images(images), evaluation=images.test)
        run.log(f"int8: {member.name} in {folder}, calibrated on training images")
    same = {member.name: cards[member.same_as or member.name] for member in exported.family.members}
    return replace(exported, cards=same)


def verify_family(run: Run, family: Family) -> tuple[Verification, ...]:
    """Each exported form of each member, loaded by its own runtime and compared on the test images."""
    checks = []
    for member in distinct(family.members):
        test = run.final_images.seen_by(architecture_of(run, member)).test
        checks.append(verify(run.folder.member(member.name), *compared_on(test)))
    return tuple(checks)
