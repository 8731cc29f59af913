"""`--set KEY=VALUE` is read by the rules of the files."""

from typing import Any

import pytest

from nars.cli.opening import parse_sets
from nars.errors import ConfigError
from nars.run import RunConfig, load_config

CASES = [
    ("collect.trial_seconds=1e-1", 0.1),
    ("collect.decay=.5", 0.5),
    ("data.max_train=1e4", 10_000),
    ("data.max_train=1_000", 1000),
    ("seed=012", 12),
    ("data.name=no", "no"),
    ("data.name=on", "on"),
    ("data.name='1e-6'", "1e-6"),
    ("data.name=2020-01-01", "2020-01-01"),
    ("data.name=imagefolder:my photos", "imagefolder:my photos"),
    ("about=1:30", "1:30"),
    ("collect.amp=yes", True),
    ("collect.amp=off", False),
    ("collect.amp=true", True),
    ("data.streaming=no", False),
    ("data.streaming=auto", "auto"),
    ("data.root=", None),
    ("data.root=~", None),
    ("search.budgets=[1e5, 200k, 300_000]", ({"flops": 1e5}, {"flops": 2e5}, {"flops": 3e5})),
    ("range.flops={low: 1e5, high: .5M}", {"low": 1e5, "high": 5e5}),
]


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_a_value_is_what_it_would_be_in_the_file(text: str, expected: Any) -> None:
    config: Any = load_config("digits", parse_sets([text])).model_dump()
    for part in text.partition("=")[0].split("."):
        config = config[part]
    assert config == expected
    assert isinstance(expected, dict) or type(config) is type(expected)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("collect.rounds=1.5", r"collect\.rounds: must be a whole number; got 1\.5"),
        ("collect.amp=maybe", r"collect\.amp: must be true or false; got 'maybe'"),
        ("collect.decay=no", r"collect\.decay: must be a number; got 'no'"),
        ("metric=f2", r"^metric: must be accuracy, .*, or a section with the keys goal, .*; got 'f2'$"),
        ("metric={name: f2, goal: up}", r"^metric\.goal: must be maximize or minimize; got 'up'$"),
        ("task={function: 1}", r"^task\.function: must be text; got 1$"),
        ("data=digits", r"^data: takes keys of its own: color, crop, .*; got 'digits'$"),
        ("data.scale=[1, 2, 3]", r"^data\.scale: takes 2 values; got \[1, 2, 3\]$"),
        ("final.watch=tensorbord", r"must be .*or wandb; got 'tensorbord'; did you mean tensorboard\?$"),
        ("about=[1", r"--set about:1: not valid YAML: .*got '\[1'; quote text"),
        ("about=a: b: c", r"--set about:1: .*quote text"),
        ("about=!!python/name:os.system x", r"--set about:1: the tag"),
        ("about", r"--set takes KEY=VALUE"),
        ("=3", r"--set takes KEY=VALUE"),
    ],
)
def test_a_wrong_value_is_one_clear_error(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config("digits", parse_sets([text]))


def test_every_switch_of_a_run_takes_yes_and_no() -> None:
    switches = [
        f"{section}.{name}"
        for section, part in RunConfig.model_fields.items()
        for name, field in getattr(part.annotation, "model_fields", {}).items()
        if field.annotation is bool
    ]
    assert len(switches) > 4
    for key in switches:
        section, name = key.split(".")
        for word, meaning in (("yes", True), ("No", False)):
            config = load_config("digits", parse_sets([f"{key}={word}"]))
            assert getattr(getattr(config, section), name) is meaning
