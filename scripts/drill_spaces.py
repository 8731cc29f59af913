"""Space files as people write them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from drill_case import Case, Check, Outcome, equal
from nars.space import load_space

MBCONV = """name: mine
architecture:
  resolution: [16, 24]
  stem: {channels: [8, 16], stride: 1}
  stages:
    - {kernel: [3, 5], expand: 1, channels: [8, 16], depth: {low: 1, high: 2}}
    - {kernel: [3, 5], expand: {low: 2, high: 4}, channels: [16, 24], depth: {low: 1, high: 3}, stride: 2}
  head: {expand: 2, channels: 64}
recipe:
  learning_rate: {low: 0.002, high: 0.05, count: 5, scale: log}
  optimizer: [rmsprop, sgd]
  weight_decay: [0.00001, 0.0001]
"""


def space_cases() -> list[Case]:
    """All of them."""
    return [*_values(), *_mistakes(), *_text()]


def _generic(choices: str, *, key: str = "x") -> str:
    return f"name: mine\nkind: generic\narchitecture:\n  {key}: {choices}\n  other: [a, b]\n"


def _write(text: str | bytes) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        data = text.encode() if isinstance(text, str) else text
        (folder / "mine.yaml").write_bytes(data)

    return make


def _kept(folder: Path) -> None:
    """Leave what the file was read as."""
    space = load_space(folder / "mine.yaml")
    found = {dimension.name: [list(dimension.values), dimension.ordinal] for dimension in space.dimensions}
    (folder / "read.json").write_text(json.dumps(found))


def _read_as(values: list[Any], *, ordinal: bool, key: str = "x") -> Check:
    def check(outcome: Outcome) -> str:
        found = json.loads((outcome.folder / "read.json").read_text())[key]
        if [type(value) for value in found[0]] != [type(value) for value in values]:
            return f"{key} is {found[0]!r}, not {values!r}"
        return equal(key, found, [values, ordinal])

    return check


def _values() -> list[Case]:
    numbers: dict[str, list[Any]] = {
        "[1e-6, 1e-5, 1e-4]": [1e-6, 1e-5, 1e-4],
        "[1E-3, 1E-2]": [1e-3, 1e-2],
        "[1e3, 2e3]": [1e3, 2e3],
        "[+1.5e-3, 2.5e-3]": [1.5e-3, 2.5e-3],
        "[.5, .25]": [0.25, 0.5],
        "[1., 2.]": [1.0, 2.0],
        "[0.1, 1e-2]": [0.01, 0.1],
        "[1, 1e1]": [1, 10.0],
        "[-1e-3, 1e-3]": [-1e-3, 1e-3],
        "[-1, 0, 1]": [-1, 0, 1],
        "[012, 013]": [12, 13],
        "[0o10, 0x1F]": [8, 31],
        "[3, 1, 2]": [1, 2, 3],
        "{choices: [1e-4, 1e-3], scale: log}": [1e-4, 1e-3],
        "{low: 1e-4, high: 1e-2, count: 3, scale: log}": [1e-4, 1e-3, 1e-2],
        "{low: 1e-1, high: 3e-1, step: 1e-1}": [0.1, 0.2, 0.3],
        "{low: 1, high: 4}": [1, 2, 3, 4],
    }
    words: dict[str, list[Any]] = {
        "[relu, gelu]": ["relu", "gelu"],
        '["1e-3", "1e-2"]': ["1e-3", "1e-2"],
        "['1', '2']": ["1", "2"],
        "[no, sgd]": ["no", "sgd"],
        "[on, standby]": ["on", "standby"],
        "[yes, no]": [True, False],
        "[true, false]": [True, False],
        "[on, off]": [True, False],
        "[no, random, yes]": ["no", "random", "yes"],
        "[off, low, high]": ["off", "low", "high"],
        "[y, n]": ["y", "n"],
        "[None, cosine]": ["None", "cosine"],
        "[null, cosine]": [None, "cosine"],
        "[~, cosine]": [None, "cosine"],
        "[2020-01-01, 2021-01-01]": ["2020-01-01", "2021-01-01"],
        "[1:30, 2:30]": ["1:30", "2:30"],
        "[1.2.3, 1.2.4]": ["1.2.3", "1.2.4"],
        "[e3, e4]": ["e3", "e4"],
        "[Füchse, 犬]": ["Füchse", "犬"],
    }
    return [
        *(
            Case(
                name=f"space: numbers {text}",
                make=_write(_generic(text)),
                do=_kept,
                works=_read_as(values, ordinal=True),
            )
            for text, values in numbers.items()
        ),
        *(
            Case(
                name=f"space: words {text}",
                make=_write(_generic(text)),
                do=_kept,
                works=_read_as(values, ordinal=False),
            )
            for text, values in words.items()
        ),
        Case(
            name="space: a list of numbers and words warns",
            make=_write(_generic("[1e-3, 1e-2, auto]")),
            do=("space", "check", "mine.yaml"),
            works=lambda outcome: "",
            says=("auto",),
        ),
        Case(
            name="space: MBConv with weight decays as 1e-5",
            make=_write(MBCONV.replace("[0.00001, 0.0001]", "[1e-5, 1e-4]")),
            do=_kept,
            works=_read_as([1e-5, 1e-4], ordinal=True, key="recipe.weight_decay"),
        ),
    ]


def _mistakes() -> list[Case]:
    def changed(old: str, new: str) -> str:
        assert old in MBCONV
        return MBCONV.replace(old, new, 1)

    # What is wrong, the file, words that the error must hold (the key, and what it got).
    wrong: list[tuple[str, str, tuple[str, ...]]] = [
        ("an even kernel", changed("kernel: [3, 5]", "kernel: [3, 4]"), ("kernel", "4", "mine.yaml:6")),
        ("a word for a kernel", changed("kernel: [3, 5]", "kernel: [3, big]"), ("kernel", "big", "mine.yaml:6")),
        ("a key that is none", changed("stride: 1}", "strid: 1}"), ("strid", "mine.yaml:4")),
        (
            "no channels",
            changed("channels: [8, 16], depth: {low: 1, high: 2}", "depth: 2"),
            ("channels", "mine.yaml:6"),
        ),
        ("no stages", changed("  stages:", "  stage:"), ("stage", "mine.yaml")),
        ("low above high", changed("{low: 1, high: 2}", "{low: 3, high: 2}"), ("low", "3", "mine.yaml:6")),
        ("low alone", changed("{low: 1, high: 2}", "{low: 3}"), ("high", "mine.yaml:6")),
        (
            "a step that does not fit",
            changed("{low: 2, high: 4}", "{low: 2, high: 5, step: 2}"),
            ("step", "mine.yaml:7"),
        ),
        ("log from 0", changed("low: 0.002", "low: 0"), ("log", "mine.yaml:10")),
        ("log without count", changed("count: 5, ", ""), ("count", "mine.yaml:10")),
        (
            "an optimizer that is none",
            changed("[rmsprop, sgd]", "[rmsprop, sdg]"),
            ("optimizer", "sdg", "mine.yaml:11"),
        ),
        ("a recipe setting that is none", changed("weight_decay", "wheight_decay"), ("wheight_decay", "mine.yaml:12")),
        ("a learning rate as text", changed("low: 0.002", "low: small"), ("learning_rate", "small", "mine.yaml:10")),
        ("dropout of 2", MBCONV + "  dropout: [0.1, 2]\n", ("dropout", "2", "mine.yaml:13")),
        ("the same choice twice", changed("[16, 24]", "[16, 16]"), ("16", "mine.yaml:3")),
        ("a name that is no text", changed("name: mine", "name: [a]"), ("name", "mine.yaml:1")),
        ("no name", changed("name: mine\n", ""), ("name", "mine.yaml")),
        ("no architecture", "name: mine\nrecipe:\n  optimizer: [sgd]\n", ("architecture", "mine.yaml")),
        ("an unknown kind", "kind: convnet\n" + MBCONV, ("kind", "convnet", "mine.yaml:1")),
        ("a resolution of 0", changed("[16, 24]", "[0, 24]"), ("resolution", "0", "mine.yaml:3")),
        ("half a channel", changed("channels: 64", "channels: 64.5"), ("channels", "64.5", "mine.yaml:8")),
        ("a stride of 3", changed("stride: 2}", "stride: 3}"), ("stride", "3", "mine.yaml:7")),
        ("true for a number", changed("channels: 64", "channels: true"), ("channels", "True", "mine.yaml:8")),
        ("an empty list", changed("[16, 24]", "[]"), ("resolution", "mine.yaml:3")),
        (
            "stages that are no list",
            changed("  stages:\n    - {", "  stages:\n    a: {").replace("    - {kernel", "    b: {kernel"),
            ("stages", "mine.yaml"),
        ),
        ("a key twice", MBCONV + "  optimizer: [adamw, sgd]\n", ("optimizer", "mine.yaml:13")),
        (
            "same_as of nothing",
            changed("channels: [16, 24]", "channels: {same_as: stage9.channels}"),
            ("stage9.channels", "mine.yaml:7"),
        ),
        ("a generic space without choices", "name: mine\nkind: generic\narchitecture: {}\n", ("mine.yaml",)),
        (
            "when of a setting that is none",
            _generic("{choices: [1, 2], when: {colour: [red]}}"),
            ("colour", "mine.yaml:4"),
        ),
        (
            "when of a value that is none",
            _generic("{choices: [1, 2], when: {other: [z]}}"),
            ("other", "z", "mine.yaml:4"),
        ),
        ("costs of a missing file", _generic("[1, 2]") + "costs: nosuch.csv\n", ("costs", "nosuch.csv", "mine.yaml:6")),
        (
            "costs of another number of choices",
            _generic("[1, 2]") + "costs: {flops: {x: [1, 2, 3]}}\n",
            ("costs", "x", "mine.yaml:6"),
        ),
        ("costs of a setting that is none", _generic("[1, 2]") + "costs: {flops: {z: [1, 2]}}\n", ("z", "mine.yaml:6")),
        ("infinity", _generic("[1, .inf]"), ("inf", "mine.yaml:4")),
        ("not a number", _generic("[1, .nan]"), ("nan", "mine.yaml:4")),
        ("a list in a list", _generic("[[1, 2], 3]"), ("mine.yaml:4", "[1, 2]")),
        ("too many choices", _generic("{low: 1, high: 10000000}"), ("mine.yaml:4", "choices")),
    ]
    return [
        Case(name=f"space: mistake: {name}", make=_write(text), do=("space", "check", "mine.yaml"), says=says)
        for name, text, says in wrong
    ]


def _text() -> list[Case]:
    bomb = "a: &a [x, x]\n" + "".join(
        f"{chr(98 + i)}: &{chr(98 + i)} [*{chr(97 + i)}, *{chr(97 + i)}]\n" for i in range(24)
    )
    check = ("space", "check", "mine.yaml")
    refused: list[tuple[str, str | bytes, tuple[str, ...]]] = [
        ("an empty file", "", ("mine.yaml",)),
        ("a list", "- a\n- b\n", ("mine.yaml",)),
        ("a word", "hello\n", ("mine.yaml",)),
        ("a bracket too few", _generic("[1, 2"), ("mine.yaml",)),
        ("a tab for indentation", "name: mine\narchitecture:\n\tresolution: 16\n", ("mine.yaml:3",)),
        ("Latin-1", "name: Füchse\n".encode("latin-1"), ("mine.yaml",)),
        ("binary", bytes(range(256)), ("mine.yaml",)),
        ("a Python object", "name: !!python/object/apply:os.system [echo]\n", ("mine.yaml",)),
        ("aliases without end", bomb, ("mine.yaml",)),
        ("an alias of nothing", "name: *nothing\n", ("mine.yaml",)),
        ("two documents", MBCONV + "---\nname: second\n", ("mine.yaml",)),
    ]
    fine: list[tuple[str, str | bytes]] = [
        ("a byte order mark", b"\xef\xbb\xbf" + MBCONV.encode()),
        ("lines of Windows", MBCONV.replace("\n", "\r\n")),
        ("comments", "# mine\n" + MBCONV.replace("stride: 1}", "stride: 1}   # one")),
        ("no line at the end", MBCONV.rstrip("\n")),
    ]
    return [
        *(Case(name=f"space: text: {name}", make=_write(text), do=check, says=says) for name, text, says in refused),
        *(
            Case(name=f"space: text: {name}", make=_write(text), do=check, works=lambda outcome: "")
            for name, text in fine
        ),
        Case(name="space: no file", make=lambda f: None, do=check, says=("mine.yaml",)),
        Case(name="space: a folder", make=lambda f: (f / "mine.yaml").mkdir(), do=check, says=("mine.yaml",)),
        Case(name="space: no such name", make=lambda f: None, do=("space", "show", "digit"), says=("digit", "digits")),
    ]
