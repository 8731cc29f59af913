"""What Python shows: names, answers and large objects, each on a few short lines."""

import subprocess
import sys
from pathlib import Path

import pytest

import nars
from nars.errors import ConfigError
from nars.images import ImageData
from nars.run import load_config, open_run
from nars.search import Archive
from nars.space import Bounds, SpaceError, load_space, published
from nars.stages import FamilyAnswer, FrontAnswer, open_predictor


@pytest.fixture(scope="module")
def family() -> FamilyAnswer:
    return nars.ask("cifar10", [Bounds.at_most(flops="2M", params="80k"), Bounds.at_most(flops=3e6)])


@pytest.fixture(scope="module")
def front(family: FamilyAnswer) -> FrontAnswer:
    return nars.ask_front("cifar10", ["flops"], known=family.known)


def test_nars_lists_what_there_is() -> None:
    code = "import nars, sys; print(*dir(nars)); print('numpy' in sys.modules)"
    listed, heavy = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(Path(nars.__file__).parents[1]), "PATH": ""},
    ).stdout.splitlines()
    assert {"Bounds", "ask", "ask_front", "register", "__version__"} <= set(listed.split())
    assert "import_module" not in listed
    assert heavy == "False"
    for name in nars.__all__:
        assert getattr(nars, name) is not None
    with pytest.raises(AttributeError, match=r"no attribute 'asks'; it has Bounds, Metric, .*, register, run_all"):
        _ = nars.asks


def test_a_printed_answer_is_a_table(family: FamilyAnswer) -> None:
    title, head, *rows, hint = str(family).splitlines()
    assert title.startswith("FamilyAnswer: 2 budgets in cifar10, ")
    columns = "budget flops params resolution predicted % gain % ties train for %"
    assert head.split() == columns.split()
    assert [row.split("  ")[0] for row in rows] == ["flops <= 2M, params <= 80k", "flops <= 3M"]
    for row, budget in zip(rows, family.budgets, strict=True):
        assert f"{budget.ties.predicted[0]:.2f} ± {budget.ties.predicted_std[0]:.2f}" in row
        ties, train, gain = row.split()[-3:]
        assert (ties.rstrip("+"), train) == (str(len(budget.ties.rows) - 1), str(len(budget.plan.train)))
        assert gain == f"{budget.plan.gains[-1]:+.2f}"
    assert f"{family.prices[0].gain:+.2f}" in rows[1]
    # The hint is code that runs.
    assert "stage1.channels" in eval(hint.partition(" spells")[0], {"answer": family})[0]


def test_a_printed_front_is_a_table(front: FrontAnswer) -> None:
    title, head, *rows, hint = repr(front).splitlines()
    count = len(front.front.rows)
    assert f"FrontAnswer: {count} candidates against flops in cifar10" in title
    assert head.split()[:3] == ["row", "flops", "params"]
    assert len(rows) <= 12
    assert [int(rows[0].split()[0]), int(rows[-1].split()[0])] == [0, count - 1]
    for row in rows:
        assert f"{front.front.predicted[int(row.split()[0])]:.2f} ±" in row
    assert len(eval(hint.partition(" spells")[0], {"answer": front})) == 1


def test_large_objects_are_short(family: FamilyAnswer, front: FrontAnswer, digits: ImageData, tmp_path: Path) -> None:
    _, predictor = open_predictor("cifar10")
    run = open_run(load_config("digits"), tmp_path / "run")
    generic = load_space("fcnet")
    large = (
        family,
        front,
        family.budgets,
        family.budgets[0].ties,
        family.prices,
        family.space,
        family.space.document,
        family.known,
        Archive(family.space),
        digits,
        digits.train,
        predictor,
        predictor.fitted,
        generic,
        generic.table,
        run,
        published("B"),
    )
    for value in large:
        for text in (repr(value), str(value)):
            assert len(text) < 1700, text[:200]
            assert len(text.splitlines()) < 16
    assert repr(family.known) == f"<Archive of {len(family.known):,} scored candidates of cifar10, the best " + (
        f"{family.known.scores.max():.2f} %>"
    )
    assert "fitted on 600 samples" in repr(predictor)
    assert "10 classes" in repr(digits)
    budgets = "flops <= 150k; flops <= 250k; flops <= 500k"
    assert repr(run) == f"<Run digits in {tmp_path / 'run'}: space digits, budgets {budgets}>"


def test_wrong_questions() -> None:
    with pytest.raises(ConfigError, match=r"budgets is a list of Bounds, .*got \[300000\.0\]"):
        nars.ask("cifar10", [3e5])
    with pytest.raises(ConfigError, match=r"budgets is a list of Bounds, .*got Bounds\("):
        nars.ask("cifar10", Bounds.at_most(flops=3e6))
    with pytest.raises(ConfigError, match=r"objectives is a list of costs .* got 'flops'"):
        nars.ask_front("cifar10", "flops")
    with pytest.raises(SpaceError, match=r"'flop'; cifar10 has flops, params, .*did you mean flops"):
        nars.ask("cifar10", [Bounds.at_most(flop=3e6)])
    with pytest.raises(SpaceError, match=r"'flop'; cifar10 has flops, params, .*did you mean flops"):
        nars.ask_front("cifar10", ["flops"], Bounds.at_most(flop=3e6))
