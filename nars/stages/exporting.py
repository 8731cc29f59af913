"""Export: each member as a folder with everything that somebody else needs, checked against PyTorch."""

from __future__ import annotations

from dataclasses import replace

from nars.export import Card, Verification, export_member, read_card, timm_names, verify
from nars.run import Run
from nars.run.environment import check_machine
from nars.run.settled import is_exported, keep_export
from nars.stages.members import distinct
from nars.stages.searching import search
from nars.stages.training import architecture_of, network_of, recipe_of, train, trained


def export(run: Run, *, again: bool = False) -> dict[str, Card]:
    """Write runs/NAME/family/BUDGET for each member; returns the cards by budget.

    What is there and of the member's training is not made again, unless `again`. A network that answers two budgets
    is exported once.

    Raises:
        ConfigError: the onnx extra is missing, or what the stages before need and have not got.
        ParityError: an exported form differs from PyTorch by more than 1e-4 in a logit.
    """
    check_machine(run.config, run.execution, run.folder, "export")
    results = train(run)
    members = search(run)
    names, cards = timm_names(run.config.name, [member.name for member in members]), {}
    for member in distinct(members):
        folder, result = run.folder.member(member.name), results[member.name]
        if again or not is_exported(run.folder, member.name, result.identity):
            architecture = architecture_of(run, member)
            with run.reporter.bar(f"export: {member.name}", 1) as advance:
                card = export_member(
                    network_of(run, member, result.weights),
                    folder,
                    name=names[member.name],
                    architecture=architecture,
                    recipe=recipe_of(run, member).to_dict(),
                    # Called as the user called it: a member that is given away does not tell where the images lie.
                    data=replace(run.final_images.at(architecture.resolution), name=run.image_facts.name),
                    accuracy={"validation": result.validation_accuracy, "test": result.test_accuracy},
                    progress=lambda file: advance(0, file),
                )
            keep_export(run.folder, member.name, result.identity)
            run.log(f"export: {member.name} to {folder}, largest difference {max(card.max_difference.values()):.1e}")
        cards[member.name] = read_card(folder)
    return {member.name: cards[member.same_as or member.name] for member in members}


def unexported(run: Run) -> list[str]:
    """Names of the members whose export is missing or of another training; all of them must be trained."""
    members = search(run)
    results = trained(run, members)
    return [m.name for m in distinct(members) if not is_exported(run.folder, m.name, results[m.name].identity)]


def verify_family(run: Run) -> tuple[Verification, ...]:
    """Each exported form of each member, loaded by its own runtime and compared on the test images."""
    checks = []
    for member in distinct(search(run)):
        images = run.final_images.at(architecture_of(run, member).resolution).test
        checks.append(verify(run.folder.member(member.name), images.images, images.labels))
    return tuple(checks)
