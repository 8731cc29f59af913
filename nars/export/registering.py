"""Exported members under timm's names."""

from __future__ import annotations

from pathlib import Path

from nars.export.errors import ExportError
from nars.export.layout import CONFIG, WEIGHTS, read_config
from nars.network import register_generic, register_network
from nars.network.registry import GENERIC


def register(folder: str | Path) -> tuple[str, ...]:
    """Make timm know the exported members in and below `folder`, for this process.

    Afterwards `timm.create_model(name, checkpoint_path=...)`, `timm.create_model(name, pretrained=True)`, both also
    with `features_only=True`, and `timm.create_model("local-dir:FOLDER", pretrained=True)` work.

    Args:
        folder: A member's folder, or one that holds several, such as a run's.

    Returns:
        The names, sorted.

    Raises:
        ExportError: there is no exported member in or below the folder, two have one name, or one is damaged.
    """
    register_generic()
    names: dict[str, Path] = {}
    for path in sorted(Path(folder).rglob(CONFIG)):
        if f'"{GENERIC}"' not in path.read_text(encoding="utf-8"):  # some other program's config.json
            continue
        config = read_config(path.parent)
        if config.name in names:
            raise ExportError(
                f"Two exported members are called {config.name}: {names[config.name]} and {path.parent}. Register one "
                f"folder, or export one of them under another name."
            )
        names[config.name] = path.parent
        register_network(config.name, config.architecture, config={**config.timm(), "file": str(path.parent / WEIGHTS)})
    if not names:
        raise ExportError(f"No exported member (a folder with {CONFIG}) in or below {folder}: run `nars export` first.")
    return tuple(sorted(names))
