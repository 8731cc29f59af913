"""YAML that remembers where each value stands, so that an error can name file and line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from nars.space.errors import SpaceError

KeyPath = tuple[str | int, ...]

_MOST_PARTS = 100_000
"""More entries than any space has; a file of nested aliases can grow without end."""


@dataclass(frozen=True)
class Document:
    """The plain content of a YAML file, and the line of each part of it."""

    source: str
    """File name for messages."""
    content: Any
    lines: Mapping[KeyPath, int]
    """Line (from 1) of each key or list item by its path."""

    def where(self, path: KeyPath) -> str:
        """ "file.yaml:12: architecture.stages[2].kernel", with the nearest line that is known."""
        nearest = path
        while nearest and nearest not in self.lines:
            nearest = nearest[:-1]
        line = self.lines.get(nearest)
        dotted = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")
        return ": ".join(part for part in (f"{self.source}:{line}" if line else self.source, dotted) if part)


def read_document(path: Path) -> Document:
    """Read one YAML file.

    Raises:
        SpaceError: it is missing, no YAML, or a key stands twice.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SpaceError(f"{path}: cannot be read as a text file ({error}); give the path of a YAML file") from error
    return parse_document(text, source=str(path))


def parse_document(text: str, *, source: str) -> Document:
    """The same from text.

    Raises:
        SpaceError: no YAML, or a key stands twice.
    """
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        loader = yaml.SafeLoader("")
        lines: dict[KeyPath, int] = {}
        content = None if root is None else _plain(root, (), lines, loader, source)
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        if isinstance(error, SpaceError):
            raise
        mark = getattr(error, "problem_mark", None)
        at = f"{source}:{mark.line + 1}" if mark is not None else source
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise SpaceError(
            f"{at}: not valid YAML: {problem}; check the indentation, brackets and colons there"
        ) from error
    return Document(source, content, lines)


def _plain(node: yaml.Node, path: KeyPath, lines: dict[KeyPath, int], loader: yaml.SafeLoader, source: str) -> Any:
    lines.setdefault(path, node.start_mark.line + 1)
    if len(lines) > _MOST_PARTS:
        raise SpaceError(f"{source}: more than {_MOST_PARTS:,} entries once its aliases are written out; use fewer")
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, path, lines, loader, source)
    if isinstance(node, yaml.SequenceNode):
        return [_plain(child, (*path, i), lines, loader, source) for i, child in enumerate(node.value)]
    return loader.construct_object(node)


def _mapping(
    node: yaml.MappingNode, path: KeyPath, lines: dict[KeyPath, int], loader: yaml.SafeLoader, source: str
) -> dict[str, Any]:
    """A mapping; what `<<: *anchor` brings in comes first, own keys replace it."""
    merged: dict[str, Any] = {}
    own: dict[str, Any] = {}
    pairs = sorted(node.value, key=lambda pair: not pair[0].tag.endswith(":merge"))
    for key_node, value_node in pairs:
        line = key_node.start_mark.line + 1
        if key_node.tag.endswith(":merge"):
            content = _plain(value_node, path, lines, loader, source)
            for part in content if isinstance(content, list) else [content]:
                if not isinstance(part, dict):
                    raise SpaceError(f"{source}:{line}: << takes an anchored mapping, e.g. <<: *stage, got {part!r}")
                merged = part | merged
            continue
        key = str(loader.construct_object(key_node))
        place = (*path, key)
        if key in own:
            raise SpaceError(f"{source}:{line}: {key!r} stands twice; keep one of them")
        lines[place] = line
        own[key] = _plain(value_node, place, lines, loader, source)
    return merged | own
