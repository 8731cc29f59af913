"""YAML that remembers where each value stands, so that an error can name file and line. The one reader of YAML here."""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from nars.printing import brief_repr
from nars.space.errors import SpaceError
from nars.space.files.scalars import alone, other_reading, plain_value

KeyPath = tuple[str | int, ...]

_MOST_PARTS = 100_000
"""More entries than any space has; a file of nested aliases can grow without end."""
_PLAIN = "plain"
"""Tag of a scalar without quotes and without a tag of its own."""
_YAML = "tag:yaml.org,2002:"
_TYPES: Mapping[str, tuple[type, ...]] = {"int": (int,), "float": (int, float), "bool": (bool,), "null": (type(None),)}
"""What a scalar with one of these tags has to be."""
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


@dataclass(frozen=True)
class Document:
    """The plain content of a YAML file, and the line of each part of it."""

    __repr__ = brief_repr

    source: str
    """File name for messages."""
    content: Any
    """Mappings, lists and scalars as `scalars.py` reads them; the keys of mappings are text as written."""
    lines: Mapping[KeyPath, int]
    """Line (from 1) of each key or list item by its path."""
    remarks: Mapping[KeyPath, str] = field(default_factory=dict)
    """What is worth knowing about how a scalar was read."""

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
        SpaceError: it is missing, not in UTF-8 (or UTF-16 with a mark), no YAML, or a key appears twice.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SpaceError(f"{path}: cannot be read as a text file ({error}); give the path of a YAML file") from error
    mark, encoding = next((pair for pair in _BOMS if content.startswith(pair[0])), (b"", "utf-8"))
    try:
        text = content[len(mark) :].decode(encoding)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise SpaceError(
            f"{path}:{line}: cannot be read as a text file in UTF-8 ({error.reason}); save it in UTF-8, or give the "
            f"path of a YAML file"
        ) from error
    return parse_document(text, source=str(path))


def parse_document(text: str, *, source: str) -> Document:
    """The same from text.

    Raises:
        SpaceError: no YAML, or a key appears twice.
    """
    document = _parsed(text, source)
    return replace(document, content=deepcopy(document.content))


@lru_cache(maxsize=64)
def _parsed(text: str, source: str) -> Document:
    """Kept, as a command reads the same few files several times, and PyYAML takes some 10 ms for each."""
    try:
        root = yaml.compose(text.removeprefix("\ufeff"), Loader=_Loader)
        reading = _Reading(source)
        content = None if root is None else reading.value(root, ())
    except yaml.reader.ReaderError as error:
        line = text[: error.position].count("\n") + 1
        raise SpaceError(
            f"{source}:{line}: not valid YAML: it holds the control character #x{ord(text[error.position]):02x}; "
            f"delete it, or save the file as text"
        ) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        at = f"{source}:{mark.line + 1}" if mark is not None else source
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        if problem.startswith("but "):
            problem = f"{getattr(error, 'context', None)} {problem}"
        fix = "indent with spaces, not tabs," if r"'\t'" in problem else "check the indentation, brackets and colons"
        raise SpaceError(f"{at}: not valid YAML: {problem}; {fix} there") from error
    except RecursionError as error:
        raise SpaceError(
            f"{source}: nested too deeply, or an alias stands inside its own anchor; write it out"
        ) from error
    return Document(source, content, reading.lines, reading.remarks)


class _Loader(yaml.SafeLoader):
    """Leaves the meaning of plain scalars to `plain_value`; only << for merging is PyYAML's."""

    yaml_implicit_resolvers = {"<": [(f"{_YAML}merge", re.compile("<<$"))]}  # noqa: RUF012


class _Reading:
    """Turns nodes into plain data, once each time that an alias names them."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.lines: dict[KeyPath, int] = {}
        self.remarks: dict[KeyPath, str] = {}
        self._parts = 0

    def value(self, node: yaml.Node, path: KeyPath) -> Any:
        """The content of a node that stands at a path."""
        self.lines.setdefault(path, node.start_mark.line + 1)
        self._parts += 1
        if self._parts > _MOST_PARTS:
            raise SpaceError(
                f"{self.source}: more than {_MOST_PARTS:,} entries once its aliases are written out; use fewer"
            )
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        if node.tag != _YAML + ("map" if isinstance(node, yaml.MappingNode) else "seq"):
            raise self._unknown_tag(node)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        return [self.value(child, (*path, i)) for i, child in enumerate(node.value)]

    def _scalar(self, node: yaml.ScalarNode, path: KeyPath) -> Any:
        name = node.tag.removeprefix(_YAML)
        if name in ("str", "merge"):
            return node.value
        try:
            value = plain_value(node.value)
        except ValueError as error:
            raise SpaceError(f"{self._at(node)}: {error} is no usable number; write fewer") from error
        if node.tag == _PLAIN:
            if remark := other_reading(node.value):
                self.remarks[path] = remark
            return value
        if name not in _TYPES or not node.tag.startswith(_YAML):
            raise self._unknown_tag(node)
        value = alone(value) if name == "bool" else value
        if not isinstance(value, _TYPES[name]) or (isinstance(value, bool) and name != "bool"):
            raise SpaceError(
                f"{self._at(node)}: !!{name} does not fit {node.value!r}; drop the tag, or correct the value"
            )
        return float(value) if isinstance(value, int) and name == "float" else value

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
        """A mapping; what `<<: *anchor` brings in comes first, own keys replace it."""
        merged: dict[str, Any] = {}
        own: dict[str, Any] = {}
        for key_node, value_node in sorted(node.value, key=lambda pair: pair[0].tag != f"{_YAML}merge"):
            if key_node.tag == f"{_YAML}merge":
                content = self.value(value_node, path)
                for part in content if isinstance(content, list) else [content]:
                    if not isinstance(part, dict):
                        raise SpaceError(
                            f"{self._at(key_node)}: << takes an anchored mapping, e.g. <<: *stage, got {part!r}"
                        )
                    merged = part | merged
                continue
            if not isinstance(key_node, yaml.ScalarNode):
                raise SpaceError(f"{self._at(key_node)}: a key is a word, not a list or a mapping; write it as one")
            key = key_node.value
            place = (*path, key)
            if key in own:
                raise SpaceError(f"{self._at(key_node)}: {key!r} appears twice; keep one of them")
            self.lines[place] = key_node.start_mark.line + 1
            own[key] = self.value(value_node, place)
        return merged | own

    def _at(self, node: yaml.Node) -> str:
        return f"{self.source}:{node.start_mark.line + 1}"

    def _unknown_tag(self, node: yaml.Node) -> SpaceError:
        tag = node.tag.replace(_YAML, "!!")
        return SpaceError(f"{self._at(node)}: the tag {tag} has no meaning here; drop it")


_Loader.add_implicit_resolver(_PLAIN, re.compile(r"(?s:.*)$"), None)
