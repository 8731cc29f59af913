"""`nars run --initial RUN`: networks that a run has found and trained are the pretrained ones of another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nars.errors import ConfigError
from nars.run.folder import RunFolder, run_in


def initial_space(initial: str, home: RunFolder) -> str:
    """The file of a space of the exported members of a run, or of one member, with the recipe that fine-tunes them.

    Args:
        initial: folder of a run, of its family, or of one exported member.
        home: of the run that begins, which gets the file.

    Raises:
        ConfigError: nothing is exported there.
    """
    from nars.files.atomic import write_text
    from nars.space import dump_yaml, read_document, space_file

    members = _members(initial)
    recipe: Any = read_document(space_file("finetune")).content["recipe"]
    document = {
        "name": "initial",
        "kind": "members",
        "about": f"Networks of {initial}, fine-tuned.",
        "architecture": {"member": {name: str(folder.absolute()) for name, folder in members.items()}},
        "recipe": recipe,
    }
    file = home.path / "plan" / "initial.yaml"
    if not home.run_file.is_file():
        file.parent.mkdir(parents=True, exist_ok=True)
        write_text(file, dump_yaml(document))
    return str(file)


def _members(initial: str) -> dict[str, Path]:
    """Folders of exported members by name."""
    run = run_in(initial)
    folders = [Path(initial)] if run is None else sorted(run.member("any").parent.iterdir())
    found = {folder.name: folder for folder in folders if (folder / "card.json").is_file()}
    if not found:
        what = "has exported no member yet" if run is not None else "is no run and no exported member"
        raise ConfigError(f"--initial takes the folder of a run, or of one of its members; {initial} {what}")
    return found
