"""YAML as version 1.2 of its specification says, and one clear error for everything that it does not allow."""

import json
import re
import warnings

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from nars.cli.space import app
from nars.space import (
    SpaceError,
    SpaceWarning,
    dump_yaml,
    load_space,
    parse_document,
    read_document,
    read_space,
    sobol,
    space_names,
)
from nars.space.files.scalars import YesNo, among
from nars.store import keep_space, kept_space, write_space

FINGERPRINTS = {
    "cifar10": "0f5df990d9b00e88",
    "digits": "d730e812986198df",
    "fashion-mnist": "9ec599d7734a26f4",
    "fbnetv3": "e4df4dd10cd0a14a",
    "fbnetv3-arch": "4c681ff872dc3488",
    "fbnetv3-cifar10": "d6a14bf41c99603d",
    "fbnetv3-recipe": "af330831f0c54917",
    "fcnet": "80957efd36f3fc73",
    "nas-bench-macro": "2b0b0879207e8a99",
}
"""As they were before YAML 1.2: stores and predictors of these spaces still belong to them."""


def test_built_in_spaces_are_what_they_were():
    assert {name: load_space(name).fingerprint for name in FINGERPRINTS} == FINGERPRINTS


def value(text):
    return parse_document(text, source="value").content


# Section 10.3.2 of the specification, "Tag resolution" of the core schema: its regular expressions, word for word.
CORE = [
    (r"null|Null|NULL|~", lambda text: None),
    (r"", lambda text: None),
    (r"true|True|TRUE|false|False|FALSE", lambda text: text.lower() == "true"),
    (r"[-+]?[0-9]+", lambda text: int(text, 10)),
    (r"0o[0-7]+", lambda text: int(text[2:], 8)),
    (r"0x[0-9a-fA-F]+", lambda text: int(text[2:], 16)),
    (r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", float),
    (r"[-+]?(\.inf|\.Inf|\.INF)", lambda text: float("-inf" if text[0] == "-" else "inf")),
    (r"\.nan|\.NaN|\.NAN", lambda text: float("nan")),
]


def core(text):
    return next((made(text) for pattern, made in CORE if re.fullmatch(pattern, text)), text)


SCALARS = """
    1e-6 1E5 1e+5 .5 -.5 +1.5E3 5. 5.e3 12e03 -2E+05 685230.15 0. -0.0 +12 0 -0 012 00 -019 +012.5 1:30 20:30.15
    190:20:30 1:30:00 0b1010 0o14 0o18 0xC 0xg -0x1f +0o7 0X1F 0O7 _1 1_ 1__0 0x1_F 1,000 10% .inf -.INF +.Inf .iNf inf
    Infinity .nan .NaN .NAN -.nan nan NaN 1e e5 1.2.3 1e5.5 . .. + .e3 1.e --1 1- 0x 0o 1d3 1f 1e- ١٢ ²
    null Null NULL nULL ~ none None nil true True TRUE tRUE false y n 2020-01-01 2001-12-14t21:59:43.10-05:00 = sgd 3x3
    1a a1
"""


@pytest.mark.parametrize("text", [*SCALARS.split(), "1 000", "2020-1-1 10:00:00"])
def test_plain_scalars_are_those_of_the_core_schema(text):
    expected = core(text)
    assert repr(value(text)) == repr(expected)
    assert repr(value(f"a:\n  - {text}\r\n")["a"][0]) == repr(expected)
    assert "," in text or repr(value(f"[{text}]")[0]) == repr(expected)
    assert value(f"{text} : 1") == {text: 1}
    for quoted in (f"'{text}'", f'"{text}"', f"!!str {text}"):
        assert value(quoted) == text
        assert type(value(quoted)) is str


def test_random_scalars_are_those_of_the_core_schema():
    rng = np.random.default_rng(12)
    seen = {}
    for _ in range(20_000):
        text = "".join(rng.choice(list("00112789..eE+--xo_af:"), size=rng.integers(1, 7)))
        if re.search(r"[0-9]_[0-9]|:$|::", text) or text in ("-", "---", "..."):
            continue  # grouped digits: the test below; a dash or a key by itself is no scalar
        expected, found = core(text), value(text)
        assert (type(found), repr(found)) == (type(expected), repr(expected)), text
        seen[type(expected)] = seen.get(type(expected), 0) + 1
    assert {int, float, str} <= {kind for kind, count in seen.items() if count > 500}


@pytest.mark.parametrize(("text", "number"), [("1_000", 1000), ("-1_000_000", -1_000_000), ("1_000.5", 1000.5)])
def test_grouped_digits_are_numbers(text, number):
    assert value(text) == number
    assert type(value(text)) is type(number)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[yes, no]", [True, False]),
        ("[no, auto]", ["no", "auto"]),
        ("[no, sgd]", ["no", "sgd"]),
        ("[On, OFF]", [True, False]),
        ("[yes, false]", [True, False]),
        ("[yes, null]", [True, None]),
        ("['no', 'yes']", ["no", "yes"]),
        ("[no, 'yes']", ["no", "yes"]),
        ("[off, low, high]", ["off", "low", "high"]),
        ("[no, 1]", ["no", 1]),
        ("[true, sgd]", [True, "sgd"]),
    ],
)
def test_yes_and_no_are_what_their_neighbours_are(text, expected):
    found = among(value(text))
    assert list(map(repr, found)) == list(map(repr, expected))


ERRORS = [
    ("a: 1\nb: 2\na: 3\n", "f:3: 'a' appears twice; keep one"),
    ("a: {x: 1, 'x': 2}\n", "f:1: 'x' appears twice"),
    ("a:\n\t- 1\n", "f:2: .*indent with spaces, not tabs"),
    ("a: 1\nb: !!python/object/apply:os.system [ls]\n", "f:2: the tag !!python/object/apply:os.system has no meaning"),
    ("a: !!python/name:os.system x\n", "f:1: the tag !!python/name:os.system has no meaning"),
    ("a: !mine 3\n", "f:1: the tag !mine has no meaning here; drop it"),
    ("a: !!set {x, y}\n", "f:1: the tag !!set"),
    ("a: !!timestamp 2020-01-01\n", "f:1: the tag !!timestamp"),
    ("a: !!binary aGk=\n", "f:1: the tag !!binary"),
    ("a: !!int x\n", "f:1: !!int does not fit 'x'"),
    ("a: !!int 1.5\n", "f:1: !!int does not fit '1.5'"),
    ("a: !!float yes\n", "f:1: !!float does not fit"),
    ("a: !!int true\n", "f:1: !!int does not fit"),
    ("a: *b\n", "f:1: .*undefined alias"),
    ("a: &a {b: *a}\n", "f: nested too deeply, or an alias|recursive"),
    ("a: &a\n  <<: *a\n", "f: nested too deeply, or an alias|recursive"),
    ("[" * 5000, "f: nested too deeply"),
    ("a: 1\n---\nb: 2\n", "f:2: .*single document"),
    ("a: [1, 2\n", "f:2: not valid YAML"),
    ("a: 1\n b: 2\n", "f:2: not valid YAML"),
    ("a: 1\nb: x\x00y\n", "f:2: .*control character #x00"),
    ("a: " + "9" * 5000, "f:1: a number of 5,000 digits is no usable number"),
    ("? [1, 2]\n: 3\n", "f:1: a key is a word"),
    ("a: '1\n", "f:2: not valid YAML"),
]


@pytest.mark.parametrize(("text", "message"), ERRORS, ids=[error[0][:20] for error in ERRORS])
def test_what_is_no_value_is_one_error_with_its_line(text, message):
    with pytest.raises(SpaceError, match=message) as caught:
        parse_document(text, source="f")
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("glue", ["[{}]", "{{<<: [{}]}}"], ids=["lists", "merges"])
def test_bombs_of_aliases_are_refused_at_once(glue):
    first = "a0: &a0 {k0: 1}\n" if "<<" in glue else "a0: &a0 [x]\n"
    lines = [f"a{i}: &a{i} {glue.format(', '.join([f'*a{i - 1}'] * 9))}" for i in range(1, 12)]
    with pytest.raises(SpaceError, match="more than 100,000 entries"):
        parse_document(first + "\n".join(lines), source="bomb")


def test_who_changes_what_was_read_changes_it_for_nobody_else():
    text = "budgets: [1, 2]\ncosts: {flops: 3}"
    first = parse_document(text, source="mine.yaml")
    first.content["budgets"].append(4)
    first.content["costs"]["flops"] = 5
    assert parse_document(text, source="mine.yaml").content == {"budgets": [1, 2], "costs": {"flops": 3}}
    assert parse_document("a: 1", source="mine.yaml").content == {"a": 1}


def test_any_encoding_with_a_mark_and_any_line_end(tmp_path):
    text = "name: Größe\nchoices:\n- 1e-6\n- no\n"
    file, plain = tmp_path / "a.yaml", value(text)
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-32"):
        for end in ("\n", "\r\n", "\r"):
            file.write_bytes(text.replace("\n", end).encode(encoding))
            document = read_document(file)
            assert document.content == plain == {"name": "Größe", "choices": [1e-6, "no"]}
            assert document.lines["choices", 1] == 4
    file.write_bytes(b"a: 1\n" + text.encode("latin-1"))
    with pytest.raises(SpaceError, match=r"a\.yaml:2: .*UTF-8.*save it in UTF-8"):
        read_document(file)
    with pytest.raises(SpaceError, match="cannot be read as a text file"):
        read_document(tmp_path)


WRITTEN = [
    "no",
    "yes",
    "on",
    "OFF",
    "y",
    "1e-6",
    ".5",
    "012",
    "089",
    "0o17",
    "0x1F",
    "0b1",
    "1_000",
    "1:30",
    "2020-01-01",
    "null",
    "~",
    "",
    " x ",
    "<<",
    "=",
    "true",
    "- a",
    "a: b",
    "#c",
    "é",
    "a\nb",
    "\t",
    "'",
    '"',
    "&a",
    "*a",
    "!t",
    "%",
    "1.",
    "+.inf",
    ".nan",
    "5.e3",
    1e-6,
    1e-300,
    1e20,
    -1.5,
    0.1,
    float("inf"),
    0,
    -7,
    10**18,
    True,
    False,
    None,
]


@pytest.mark.parametrize("written", WRITTEN, ids=repr)
def test_what_is_written_is_read_as_the_same_by_every_reader(written):
    content = {"a": written, "b": [written, "word"], "c": {"d": [written]}}
    if isinstance(written, str) and written.strip() and "\n" not in written:
        content[written] = 1
    text = dump_yaml(content)
    assert value(text) == yaml.safe_load(text) == content
    assert repr(value(text)) == repr(content)


def test_yes_and_no_are_written_as_what_they_mean():
    text = dump_yaml({"a": value("[no, yes]"), "b": value("[no, auto]")})
    assert value(text) == yaml.safe_load(text) == {"a": [False, True], "b": ["no", "auto"]}
    again = value(dump_yaml({"a": value("no")}))["a"]
    assert isinstance(again, YesNo)
    assert again == "no"


GENERIC = "name: g\nkind: generic\narchitecture:\n  x: [a, b]\nrecipe:\n"


def dimension(entry, *more):
    text = GENERIC + "".join(f"  {line}\n" for line in (f"lr: {entry}", *more))
    return read_space(parse_document(text, source="g.yaml")).dimensions[-1 - len(more)]


def test_numbers_in_scientific_notation_are_numbers():
    found = dimension("[1e-4, 1e-6, 1e-5]")
    assert found.values == (1e-6, 1e-5, 1e-4)
    assert found.ordinal
    assert found.width == 1
    assert dimension("{low: 1e-6, high: 1e-2, count: 5, scale: log}").values == (1e-6, 1e-5, 1e-4, 1e-3, 1e-2)
    assert dimension("{choices: [1e-6, 1E-3], scale: log}").log
    text = open_digits().replace("weight_decay: {", "dropout: [0, 1e-1, .2]\n  weight_decay: {")
    assert read_space(parse_document(text, source="d")).dimensions[-2].values == (0, 0.1, 0.2)


def open_digits():
    from nars.space import space_file

    lines = space_file("digits").read_text(encoding="utf-8").splitlines()
    return "\n".join(line for line in lines if "dropout" not in line)


@pytest.mark.parametrize(
    ("entry", "values"),
    [
        ("[yes, no]", (True, False)),
        ("[no, auto]", ("no", "auto")),
        ("[no, low, high]", ("no", "low", "high")),
        ("[2020-01-01, 2021-01-01]", ("2020-01-01", "2021-01-01")),
        ("[null, a]", (None, "a")),
        ("[012, 7]", (7, 12)),
        ("[.inf_, a]", (".inf_", "a")),
    ],
)
def test_choices_of_a_generic_space(entry, values):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SpaceWarning)
        found = dimension(entry)
    assert list(map(repr, found.values)) == list(map(repr, values))


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("[0.1, auto]", r"mixes numbers \(0.1\) with words \('auto'\); write all as numbers, or quote all as words"),
        ("[1e-6, '1e-5']", "mixes numbers"),
        ("[true, auto]", "mixes true / false"),
        ("[null, false, 0.1, 0.5]", r"mixes true / false \(False\) with numbers \(0.1, 0.5\)"),
    ],
)
def test_lists_that_no_column_of_samples_holds_are_mistakes(entry, told):
    with pytest.raises(SpaceError, match=told):
        dimension(entry)


@pytest.mark.parametrize(
    ("entry", "doubt"),
    [
        ("['1e-6', '1e-5']", "words that look like numbers"),
        ("['0,1', '0,2']", "words that look like numbers"),
        ("[1:30, 2:00]", "words that look like numbers"),
        ("[2020-01-01, a]", None),
        ("[3x3, 5x5]", None),
        ("[null, 1]", None),
        ("[null, a]", None),
        ("['1', none]", None),
    ],
)
def test_doubtful_lists_are_warned_about(entry, doubt):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        dimension(entry)
    assert [str(one.message) for one in caught] == ([] if doubt is None else [caught[0].message.args[0]])
    if doubt:
        assert caught[0].category is SpaceWarning
        assert re.match(rf"g\.yaml:6: recipe\.lr: .*{re.escape(doubt)}", str(caught[0].message))


@pytest.mark.parametrize("entry", ["[1, 1.0]", "[1, true]", "[0, no]".replace("no", "false"), "[1e2, 100]", "[a, a]"])
def test_equal_choices_are_refused(entry):
    with pytest.raises(SpaceError, match="list each choice once"):
        dimension(entry)


@pytest.mark.parametrize(
    ("lr", "when", "choices"),
    [
        ("[no, auto]", "{lr: no}", {0}),
        ("[no, auto]", "{lr: [auto, no]}", {0, 1}),
        ("[yes, no]", "{lr: no}", {1}),
        ("[yes, no]", "{lr: [yes]}", {0}),
        ("[1e-3, 1e-2]", "{lr: 0.01}", {1}),
        ("[1, 2]", "{lr: 2.0}", {1}),
    ],
)
def test_a_condition_means_the_choices_of_its_setting(lr, when, choices):
    text = GENERIC + f"  lr: {lr}\n  warm: {{choices: [1, 2], when: {when}}}\n"
    (condition,) = read_space(parse_document(text, source="g.yaml")).dimensions[-1].active_when
    assert condition.choices == choices
    with pytest.raises(SpaceError, match="lr never is"):
        read_space(parse_document(text.replace(f"when: {when}", "when: {lr: [true, 77]}"), source="g.yaml"))


NUMBERS_WANTED = [
    ("kernel: [3, 5]", "kernel: ['3', 5]", r"takes a number from 1 to 31, got '3'; write numbers without quotes"),
    ("channels: [8, 16]", "channels: [8:30, 16]", r"got '8:30'; write numbers without quotes, in decimal digits"),
    ("channels: [8, 16]", "channels: [8, 1.6e1]", r"takes whole numbers, got 16\.0; write 16"),
    ("low: 0.01", "low: '1e-2'", r"low takes a number, got '1e-2'; write numbers without quotes"),
    ("count: 4", "count: 4e0", r"count takes a whole number .*got 4\.0; write 4"),
    ("mixup: [0.0, 0.2]", "mixup: [0.0, 0.2, '1e-1']", r"got '1e-1'; write numbers without quotes"),
    ("optimizer: [rmsprop, sgd]", "optimizer: [no, sgd]", r"takes one of rmsprop, sgd, adamw, lamb, got 'no'"),
]


@pytest.mark.parametrize(("old", "new", "message"), NUMBERS_WANTED)
def test_spaces_of_networks_say_how_a_number_is_written(old, new, message):
    from tests.space.test_files import BASE

    assert BASE.count(old) == 1
    with pytest.raises(SpaceError, match=message):
        read_space(parse_document(BASE.replace(old, new), source="base.yaml"))
    switch = BASE.replace("stride: 2\n", "stride: 2\n      se: [no, yes]\n").replace("mixup", "ema: on\n  mixup")
    space = read_space(parse_document(switch, source="base.yaml"))
    assert space.dimensions[space.index["stage1.se"]].values == (False, True)
    assert space.settings["recipe.ema"].value is True


def test_check_says_what_it_assumed(tmp_path):
    file = tmp_path / "g.yaml"
    lines = ["a: [012, 7]", "b: [no, auto]", "c: [yes, no]", "d: ['1e-6', '1e-5']", "e: [1e-6, 1e-5]", "f: [1:30, x]"]
    file.write_text(GENERIC + "".join(f"  {line}\n" for line in lines), encoding="utf-8")
    result = CliRunner().invoke(app, ["check", str(file)], env={"COLUMNS": "200"})
    assert result.exit_code == 0
    told = {
        int(line.split("g.yaml:")[1].split(":")[0]): line for line in result.output.splitlines() if "warning" in line
    }
    assert set(told) == {6, 7, 8, 9, 11}
    for line, text in {6: "read as 12", 7: "no: read as words", 8: "true / false", 9: "look like", 11: "word"}.items():
        assert text in told[line]
    assert "no mistakes, 5 to look at" in result.output
    with pytest.warns(SpaceWarning):
        shown = CliRunner().invoke(app, ["show", str(file)], env={"COLUMNS": "200"}).output
    assert "['1:30', x]" in shown
    assert "['no', auto]" in shown


def test_a_kept_space_is_the_same_wherever_it_is_moved(tmp_path):
    (tmp_path / "own").mkdir()
    own = tmp_path / "own" / "mine.yaml"
    own.write_text(
        "name: no\nkind: generic\narchitecture: {a: [no, auto], b: [1e-3, 1], c: yes, d: [yes, no]}\n"
        "recipe: {e: {choices: [1, 2], when: {f: no}}, f: [no, x], g: [1_000, 2]}\ncosts: costs.csv\n",
        encoding="utf-8",
    )
    (tmp_path / "own" / "costs.csv").write_text("b,size\n0.001,3\n1,4\n", encoding="utf-8")
    for name in [*space_names(), own]:
        space = load_space(name)
        if space.kind == "mbconv":
            space = load_space(name, classes=7, in_channels=1)
        here, there = tmp_path / f"{space.name}-a", tmp_path / f"{space.name}-b"
        assert kept_space(here) is None
        keep_space(here, space)
        write_space(space, here / "space.yaml")
        here.rename(there)
        for again in (kept_space(there), load_space(there / "space.yaml")):
            assert again is not None
            assert again.fingerprint == space.fingerprint
            assert again.name == space.name
            X = sobol(space, 20, seed=0)
            assert again.to_records(X) == space.to_records(X)
            if space.cost_names:
                assert json.dumps({k: v.tolist() for k, v in again.costs(X).items()}) == json.dumps(
                    {k: v.tolist() for k, v in space.costs(X).items()}
                )
