"""Space files: each mistake is named with file, line and fix, and no file makes it crash."""

import random
import re
import warnings
from itertools import pairwise

import numpy as np
import pytest
import yaml

from nars.space import SpaceError, SpaceWarning, load_space, parse_document, read_space, sobol, space_file, space_names

BASE = """
name: base
architecture:
  resolution: {low: 16, high: 32, step: 4}
  stem: {channels: [8, 16]}
  stages:
    - &stage
      kernel: [3, 5]
      expand_first: {low: 2, high: 4}
      expand_rest: 2
      channels: [16, 24]
      depth: [1, 2]
      stride: 2
    - {<<: *stage, channels: [24, 32], first_padding: [null, 1]}
  head: {expand: 2, channels: 64}
recipe:
  learning_rate: {low: 0.01, high: 0.1, count: 4, scale: log}
  optimizer: [rmsprop, sgd]
  mixup: [0.0, 0.2]
"""


def read(text):
    return read_space(parse_document(text, source="base.yaml"))


MISTAKES = [
    ("name: base", "nam: base", r"'name' is missing; add it", None),
    ("name: base", "name: [1]", r"takes a word", 2),
    ("kernel: [3, 5]", "kernel: [3, 4]", r"kernels are odd", 8),
    ("kernel: [3, 5]", "kernl: [3, 5]", r"unknown key; allowed are .*; did you mean kernel\?", 8),
    ("kernel: [3, 5]", "kernel: [3, three]", r"takes a number from 1 to 31", 8),
    ("low: 16, high: 32, step: 4", "low: 16, high: 32, step: 5", r"high is not reached", 4),
    ("low: 16, high: 32, step: 4", "low: 32, high: 16, step: 4", r"low must be below high", 4),
    ("low: 16, high: 32, step: 4", "low: 16, step: 4", r"a range needs high", 4),
    ("low: 16, high: 32, step: 4", "low: 16, high: 32, stp: 4", r"unknown key 'stp'.*; did you mean step\?", 4),
    ("channels: [8, 16]", "channels: [8, 8]", r"list each choice once", 5),
    ("channels: [8, 16]", "channels: [0, 8]", r"must lie in 1 \.\. 16384", 5),
    ("channels: [8, 16]", "channels: [8, .nan]", r"no usable number", 5),
    ("channels: [8, 16]", "channels: [8, 8.5]", r"takes whole numbers", 5),
    ("channels: [8, 16]", "channels: {same_as: stage9.depth}", r"same_as names a setting", 5),
    ("channels: [8, 16]", "channels: {same_as: resolution}, stride: 3", r"must lie in 1 \.\. 2", 5),
    ("count: 4, scale: log", "scale: log", r"needs count", 17),
    ("optimizer: [rmsprop, sgd]", "optimizer: [rmsprop, adam]", r"takes one of rmsprop, sgd, adamw", 18),
    ("optimizer: [rmsprop, sgd]", "optimiser: [rmsprop, sgd]", r"unknown recipe setting", 18),
    ("mixup: [0.0, 0.2]", "mixup: {choices: [0.0, 0.2], when: {ema: [true]}}", r"when names a choice", 19),
    ("mixup: [0.0, 0.2]", "mixup: {choices: [0.0, 0.2], when: {optimizer: [adamw]}}", r"never is 'adamw'", 19),
    ("<<: *stage", "<<: *nothing", r"undefined alias", 14),
    ("<<: *stage", "<<: 3", r"<< takes an anchored mapping", 14),
    ("depth: [1, 2]", "depth: [1, 2]\n      depth: 3", r"'depth' appears twice", 13),
    ("depth: [1, 2]", "depth: {choices: [1, 2], when: {resolution: [16]}}", r"when is for recipes", 12),
    ("expand_rest: 2", "expand: 2", r"keep it, or the two", 10),
    ("expand_rest: 2\n", "\n", r"needs expand, or both", 7),
    ("stages:", "stages: 3\n  other:", r"takes a list of at least one stage", 6),
    ("head: {expand: 2, channels: 64}", "head: 5", r"takes a mapping with expand, channels", 15),
    ("recipe:", "costs: {flops: {base: 1}}\nrecipe:", r"computes its costs", 16),
    ("stride: 2\n", "stride: 2\n     bad: [\n", r"not valid YAML", None),
]


@pytest.mark.parametrize(("old", "new", "message", "line"), MISTAKES)
def test_each_mistake_is_named_with_its_line(old, new, message, line):
    assert BASE.count(old) == 1
    with pytest.raises(SpaceError, match=message) as caught:
        read(BASE.replace(old, new))
    assert re.search(rf"base\.yaml:{line}: " if line else r"base\.yaml", str(caught.value)), str(caught.value)


def test_all_mistakes_are_found_in_one_reading():
    text = BASE
    for old, new, _, line in [MISTAKES[number] for number in (2, 5, 9, 17)]:
        assert line
        text = text.replace(old, new)
    with pytest.raises(SpaceError) as caught:
        read(text)
    assert {int(line.split(":")[1]) for line in str(caught.value).splitlines()} == {4, 5, 8, 18}


FIXED = """
name: fixed
architecture:
  resolution: 16
  stem: {channels: 8}
  stages: [{kernel: 3, expand: 2, channels: 8, depth: 1}]
  head: {}
"""


def test_a_fixed_space_and_vanishing_feature_maps():
    with pytest.raises(SpaceError, match="every setting is fixed"):
        read(FIXED)
    with pytest.raises(SpaceError, match=r"a kernel of 5 with padding 1 leaves nothing of a feature map of 2 pixels"):
        read(BASE.replace("low: 16, high: 32, step: 4", "low: 8, high: 12, step: 4"))


def test_aliases_cannot_blow_up():
    bomb = "a: &a [1, 1]\n" + "".join(f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in pairwise("abcdefghi"))
    with pytest.raises(SpaceError, match="once its aliases are written out"):
        parse_document(bomb, source="bomb.yaml")
    with pytest.raises(SpaceError):
        parse_document("a: &a [*a]", source="loop.yaml")


def test_anchors_and_merges_say_the_same_as_writing_it_out():
    written = BASE.replace(
        "<<: *stage,", "kernel: [3, 5], expand_first: {low: 2, high: 4}, expand_rest: 2, depth: [1, 2], stride: 2,"
    )
    assert read(BASE).fingerprint == read(written).fingerprint


def test_fingerprints_follow_the_meaning():
    base = read(BASE)
    assert base.fingerprint == read(BASE.replace("name: base", "name: other")).fingerprint
    assert base.fingerprint == read(BASE.replace("[8, 16]", "[16, 8]")).fingerprint
    assert base.fingerprint != read(BASE.replace("[8, 16]", "[8, 24]")).fingerprint
    assert base.fingerprint != read(BASE.replace("expand: 2,", "expand: 3,")).fingerprint


def test_shared_choices_are_one_dimension():
    space = read(BASE.replace("channels: [8, 16]", "channels: {same_as: stage1.channels}"))
    X = sobol(space, 40, seed=0)
    assert all(a.stem.channels == a.stages[0].channels for a in space.architectures(X))
    assert len(space.dimensions) == len(read(BASE).dimensions) - 1


def test_conditional_recipe_choices_count_once():
    text = BASE.replace("mixup: [0.0, 0.2]", "mixup: {choices: [0.0, 0.1, 0.2], when: {optimizer: [sgd]}}")
    space = read(text)
    assert space.size("recipe") == 4 * (1 + 3)
    assert {r["mixup"] for r in space.recipes(sobol(space, 200, seed=0)) if r["optimizer"] == "rmsprop"} == {0.0}


COSTS = """
name: table
kind: generic
architecture: {a: [x, y], b: [1, 2, 3]}
costs: costs.csv
"""


def test_costs_from_a_file(tmp_path):
    path = tmp_path / "table.yaml"
    path.write_text(COSTS, encoding="utf-8")
    costs = tmp_path / "costs.csv"
    rows = [(a, b) for a in "xy" for b in (3, 1, 2)]
    costs.write_text("a,b,size\n" + "\n".join(f"{a},{b},{ord(a) + b}" for a, b in rows), encoding="utf-8")
    space = load_space(path)
    X = sobol(space, 6, seed=0)
    records = space.to_records(X)
    assert space.costs(X)["size"].tolist() == [ord(record["a"]) + record["b"] for record in records]
    for content, message in [
        ("a,b,size\nz,1,3\n", r"row 1: a takes one of"),
        ("a,b,size\nx,1,many\n", r"row 1: cost 'size' is no number"),
        ("b\n1\n", r"needs one column per setting"),
        ("", r"costs.csv is empty"),
    ]:
        costs.write_text(content, encoding="utf-8")
        with pytest.raises(SpaceError, match=message) as caught:
            load_space(path)
        assert "table.yaml:5: costs" in str(caught.value)
    costs.write_text("a,b,size\nx,1,3\n", encoding="utf-8")
    space = load_space(path)
    with pytest.raises(SpaceError, match="lacks 1 of 1 candidates"):
        space.costs(np.array([[1, 1]]))


@pytest.mark.parametrize(
    ("costs", "message"),
    [
        ("{size: {base: 1, c: [1, 2]}}", "no choice is called 'c'"),
        ("{size: {a: [1]}}", "one number for each of"),
        ("{size: {a: [1, x]}}", "takes numbers"),
        ("{size: 3}", "takes base and a list"),
        ("[1]", "takes the name of a"),
        ("costs.txt", "a table of costs is read from"),
        ("gone.csv", "there is no file"),
    ],
)
def test_wrong_costs(costs, message):
    with pytest.raises(SpaceError, match=message) as caught:
        read(COSTS.replace("costs.csv", costs))
    assert "base.yaml:5: costs" in str(caught.value)


def test_names_and_paths():
    assert {"fbnetv3", "fbnetv3-recipe", "fbnetv3-arch", "fbnetv3-cifar10", "fashion-mnist", "digits"} <= set(
        space_names()
    )
    with pytest.raises(SpaceError, match="there are campaign, cifar10"):
        load_space("fbnetv4")
    with pytest.raises(SpaceError, match="no such space file"):
        load_space("missing.yaml")
    with pytest.raises(SpaceError, match="classes must be at least 1"):
        load_space("digits", classes=0)


WORDS = [
    "0",
    "-1",
    "1e400",
    "10" * 200,
    ".inf",
    ".nan",
    "null",
    "true",
    "[]",
    "{}",
    "[[1]]",
    "2001-01-01",
    "3.5",
    "kernel",
    "yes",
    "same_as",
    "!!python/object:os.system x",
    "&x",
    "*x",
    "low",
    "''",
    "1",
    "2",
    "16",
]


def mutate(text, rng):
    """One to three careless edits: of characters, of values, of lines."""
    for _ in range(rng.choice((1, 1, 2))):
        kind = rng.randrange(5)
        lines = text.split("\n")
        at = rng.randrange(len(lines))
        if kind == 0 and text:
            place = rng.randrange(len(text))
            text = text[:place] + rng.choice("[]{}:,-#&*!|>'\"%@`\t\n 0aé\x00") + text[place + rng.randint(0, 2) :]
        elif kind == 1:
            del lines[at]
            text = "\n".join(lines)
        elif kind == 2:
            lines.insert(rng.randrange(len(lines)), lines[at])
            text = "\n".join(lines)
        else:
            words = list(re.finditer(r"[\w.]+", text))
            word = rng.choice(words)
            new = rng.choice([*WORDS, rng.choice(words)[0]])
            text = text[: word.start()] + new + text[word.end() :]
    return text


def test_200_mutated_files_are_clear_errors_or_valid_spaces():
    rng = random.Random(2006)
    texts = [space_file(name).read_text(encoding="utf-8") for name in space_names()]
    good = 0
    for number in range(200):
        text = mutate(rng.choice(texts), rng)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", SpaceWarning)  # of words among numbers: readable, if doubtful
                space = read_space(parse_document(text, source=f"mutant{number}.yaml"))
        except SpaceError as error:
            for line in str(error).splitlines():
                assert line.startswith(f"mutant{number}.yaml"), (line, text)
                assert len(line) > len(f"mutant{number}.yaml: ") + 10
            continue
        good += 1
        X = sobol(space, 8, seed=0)
        assert np.array_equal(space.decode(space.encode(X)), X)
        if space.kind == "mbconv":
            assert all((values > 0).all() for values in space.costs(X).values())
    assert 30 < good < 170  # both kinds were seen


def test_shipped_files_are_plain_yaml():
    for name in space_names():
        assert yaml.safe_load(space_file(name).read_text(encoding="utf-8"))["name"] == name
