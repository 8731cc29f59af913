"""The short form of a space whose one network is timm's: `architecture: timm:resnet50`, and the recipe is searched."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pkgutil import resolve_name

from nars.errors import UserError
from nars.space.errors import SpaceError
from nars.space.families.timm.architecture import KIND
from nars.space.files.document import Document

_PREFIX = "timm:"
_SIDE = "nars.network.timm_models:own_resolution"
"""Asks timm, which loads torch: imported for a file in the short form alone."""


def written_out(document: Document) -> Document:
    """The document with a short form written out: `kind: timm`, the model, the side of its images as timm has it.

    Raises:
        SpaceError: timm has no such model, or the file says another kind.
    """
    content = document.content
    short = content.get("architecture") if isinstance(content, Mapping) else None
    if not isinstance(short, str) or not short.startswith(_PREFIX):
        return document
    if content.get("kind", KIND) != KIND:
        raise SpaceError(
            f"{document.where(('kind',))}: {short} is a network of timm, got the kind {content['kind']!r}; leave the "
            f"kind out"
        )
    side: Callable[[str], int] = resolve_name(_SIDE)
    model = short.removeprefix(_PREFIX)
    try:
        architecture = {"model": model, "resolution": side(model)}
    except UserError as error:
        raise SpaceError(f"{document.where(('architecture',))}: {error}") from error
    return replace(document, content={**content, "kind": KIND, "architecture": architecture})
