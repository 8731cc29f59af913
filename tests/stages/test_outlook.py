"""How long a run still takes, against runs whose every training takes a known time."""

import io
import re
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from nars.metric import Metric
from nars.printing import quietly
from nars.run import Terminal, load_config
from nars.run.outlook import Outlook, spell, together
from nars.run.progress import counting
from nars.space import Bounds
from nars.stages.board import Board

ROUNDS, PER_ROUND, EPOCHS, FINAL = 3, 8, 10, 20


def config(**more: Any) -> Any:
    return load_config(
        "digits",
        {
            "collect.rounds": ROUNDS,
            "collect.per_round": PER_ROUND,
            "collect.epochs": EPOCHS,
            "final.epochs": FINAL,
            "search.budgets": [0.2e6, 0.4e6],
            "flops.low": 0.1e6,
            "flops.high": 0.5e6,
        }
        | more,
    )


def epoch(flops: float) -> float:
    """Seconds that an epoch takes on the machine of these tests."""
    return 2.0 + flops / 0.1e6


def training(number: int, flops: float, *, epochs: int = EPOCHS) -> Any:
    return SimpleNamespace(
        key=f"{number} {flops} {epochs}",
        round=number,
        epochs=epochs,
        planned_epochs=epochs,
        costs={"flops": flops},
        seconds=epochs * epoch(flops),
    )


FLOPS = [0.1e6 + 0.4e6 * i / (PER_ROUND - 1) for i in range(PER_ROUND)]


@pytest.mark.parametrize("slots", [1, 2, 4])
@pytest.mark.parametrize("measured", [4, 8, 12])
def test_the_estimate_is_the_time_that_the_rest_takes(slots: int, measured: int) -> None:
    stop = 6
    outlook = Outlook(config(), slots=slots)
    # Its time line: FLOPs from low to high in each round, `slots` at once.
    order = [(1, f, EPOCHS) for f in FLOPS] + [(n, f, stop) for n in (2, 3) for f in FLOPS]
    order.sort(key=lambda job: job[0])
    mixed = [order[i] for i in (0, 7, 3, 5, 1, 2, 4, 6)] + order[8:]
    for number, flops, epochs in mixed[:measured]:
        outlook.trained(training(number, flops, epochs=epochs))
    left = outlook.left()
    assert left is not None
    rest = mixed[measured:]
    stage2 = sum(epochs * epoch(flops) for _, flops, epochs in rest) / slots
    teacher, forward = FINAL * epoch(0.4e6), FINAL * epoch(0.4e6) / 3
    family = [FINAL * epoch(0.2e6) + forward, FINAL * epoch(0.4e6) + forward]
    final = teacher + max(*family, sum(family) / min(slots, 2))
    assert left == pytest.approx(stage2 + final + 20.0, rel=0.15)


def test_nothing_is_said_before_anything_is_known() -> None:
    outlook = Outlook(config(), slots=2)
    assert outlook.left() is None
    assert spell(outlook.left()) == ""
    assert outlook.epochs(0, 40, teacher=True) == ""


def test_a_training_counts_once() -> None:
    outlook = Outlook(config(), slots=1)
    assert outlook.trained(training(1, FLOPS[0])) != ""
    before = outlook.left()
    assert outlook.trained(training(1, FLOPS[0])) == ""
    assert outlook.left() == before


def test_final_training_goes_by_its_own_pace() -> None:
    now = 100.0
    outlook = Outlook(config(), slots=2, clock=lambda: now)
    outlook.begin_final()
    assert outlook.epochs(5, 40, teacher=False) == ""  # resumed: these five took no time now
    now += 600.0
    # 10 epochs in 600 s: 25 more are 1,500 s, and two exports.
    assert outlook.epochs(15, 40, teacher=False) == spell(1500.0 + 16.0)
    outlook.begin_final()
    assert outlook.epochs(30, 40, teacher=False) == ""


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, ""),
        (float("nan"), ""),
        (20.0, "less than a minute left in all (estimate)"),
        (61.0, "about 2 min left in all (estimate)"),
        (89 * 60.0, "about 89 min left in all (estimate)"),
        (2.5 * 3600, "about 2.5 h left in all (estimate)"),
        (72 * 3600.0, "about 3.0 days left in all (estimate)"),
    ],
)
def test_times_in_words(seconds: float | None, text: str) -> None:
    assert spell(seconds) == text


def test_notes_go_together() -> None:
    assert together("ok 91.2 %", "") == "ok 91.2 %"
    assert together("ok 91.2 %", "about 2 min left") == "ok 91.2 %; about 2 min left"


def lines(every: float, **how: Any) -> str:
    console = Console(file=io.StringIO(), width=100, **how)
    terminal = Terminal(console, every=every)
    with terminal.bar("stage 2: round 1 of 4", 5) as advance:
        for step in range(5):
            advance(1, f"[red] {step} :cat:")
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


def test_without_a_terminal_a_bar_is_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    assert lines(0.0).splitlines()[0] == "  stage 2: round 1 of 4: 1 of 5; [red] 0 :cat:"
    assert len(lines(0.0).splitlines()) == 4  # the last step is told by what follows
    assert lines(30.0) == ""
    monkeypatch.setenv("TERM", "dumb")
    assert "\x1b" not in lines(0.0, force_terminal=True)
    assert len(lines(0.0, force_terminal=True).splitlines()) == 4


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_on_a_terminal_of_any_width_nothing_is_cut(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    budgets = [f"flops <= {number}50k: 98.76 %" for number in range(1, 6)]
    command = f"  nars run digits {40 * '--set a=b '}".rstrip()
    terminal = Terminal(console)
    terminal.say(
        f"stage 2: stop epoch: the correlation at epoch 8 is uncertain: 95 % interval 0.795 to 1.0:{command[1:]}"
    )
    with terminal.bar("stage 2: round 1 of 4", 5) as advance:
        advance(1, "\n".join(["[red] :cat:; about 4 min left in all", f"best so far   {'   '.join(budgets)}"]))
    shown = re.sub(r"\x1b\[[0-9?;]*[A-Za-z]", "", console.file.getvalue())  # type: ignore[attr-defined]
    assert "…" not in shown
    assert "-:--:--" not in shown  # a time that is not known
    assert f"\n{command}\n" in shown  # whole, to be copied
    assert max(map(len, shown.replace(command, "").splitlines())) <= width
    for whole in (*budgets, "1/5", "[red] :cat:; about 4", "uncertain:", "interval"):
        assert whole in shown


def test_further_lines_of_a_note_are_below_the_bar_of_a_terminal_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    shown, plain = (Console(file=io.StringIO(), width=100, force_terminal=real) for real in (True, False))
    for console in (shown, plain):
        with Terminal(console, every=0.0).bar("stage 2", 2) as advance:
            advance(1, "ok 91.2 %\nbest so far   flops <= 200k: 91.2 %")
    assert "best so far" in shown.file.getvalue()  # type: ignore[attr-defined]
    assert plain.file.getvalue() == "  stage 2: 1 of 2; ok 91.2 %\n"  # type: ignore[attr-defined]
    with quietly():
        silent = Terminal(Console(file=io.StringIO()), every=0.0)
        silent.say("loading")
        with silent.bar("stage 2", 2) as advance:
            advance(1, "ok")
    assert silent.console.file.getvalue() == ""  # type: ignore[attr-defined]


def outcome(value: float | None, flops: float) -> Any:
    metric = Metric(name="loss", goal="minimize")
    return SimpleNamespace(result=value, costs={"flops": flops}, metric=metric)


def test_the_board_has_the_best_of_each_budget_by_its_metric() -> None:
    times = iter((0.0, 30.0))
    board = Board([Bounds.at_most(flops=2e5), Bounds.at_most(flops=4e5)], workers=2, clock=lambda: next(times))
    board.known(outcome(0.9, 1e5))
    for sample in (outcome(0.5, 3e5), outcome(0.7, 1e5), outcome(None, 1e5)):
        board.tell(sample)
    best, rate = board.lines
    assert best == "best so far   flops <= 200k: 0.7   flops <= 400k: 0.5"
    assert rate == "2 workers, 6 trainings a minute, 1 failed"


def test_a_bar_inside_a_bar_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal(Console(file=io.StringIO(), force_terminal=True))
    with terminal.bar("outer", 2) as outer, counting(terminal, "inner") as told:
        told(1, 3)
        outer(1, "")
        told(3, 3)
