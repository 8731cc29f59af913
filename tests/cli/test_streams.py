"""Terminals that cannot show everything: ASCII, Latin-1, narrow, dumb, none."""

import io
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from rich.console import Console, RenderableType
from typer.testing import CliRunner

from nars.cli import main
from nars.cli.app import app
from nars.cli.streams import mend_streams
from nars.export import Card
from nars.export.fixed_input import LogitsHash
from nars.report import family_table
from nars.stages import Family, Member
from nars.store import SampleStore
from nars.train import MemberResult

COMMANDS = [
    "--help",
    "space --help",
    "store --help",
    "run --help",
    "pretrain --help",
    "collect --help",
    "search --help",
    "train --help",
    "export --help",
    "report --help",
    "swap --help",
    "scale --help",
    "import --help",
    "audit --help",
    "latency --help",
    "space list",
    "space show digits",
    "space show fbnetv3",
    "space sample digits -n 2",
    "search --predictor cifar10 --max-flops 3M,4M",
    "search --predictor cifar10 --pareto flops --max-flops 3M",
    "run digits --dry-run",
    "run nonsense --dry-run",
    "store info STORE",
]


class _Captured(io.TextIOWrapper):
    """A stream of some encoding, as strict as Python's own are."""

    def __init__(self, encoding: str) -> None:
        super().__init__(io.BytesIO(), encoding=encoding, errors="strict", write_through=True)

    def content(self) -> str:
        self.flush()
        return self.buffer.getvalue().decode(self.encoding)  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("store")
    committed = Path(__file__).parents[2] / "data" / "cifar10" / "samples"
    SampleStore(folder).append(list(SampleStore(committed).samples())[:3])
    return folder


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_on_a_terminal_of_few_signs(
    command: str, encoding: str, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, err = _Captured(encoding), _Captured(encoding)
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    monkeypatch.setattr(sys, "argv", ["nars", *command.replace("STORE", str(store)).split()])
    with pytest.raises(SystemExit) as leaving:
        main()
    assert leaving.value.code == (2 if "nonsense" in command else 0)
    assert len(out.content() + err.content()) > 40


def test_paragraphs_of_a_help_are_filled() -> None:
    shown = CliRunner().invoke(app, ["verify", "--help"], env={"COLUMNS": "80", "NO_COLOR": "1"}).stdout
    _, broken = shown.split("known.", 1)
    lines = [line.strip() for line in broken.split("╭", 1)[0].strip().splitlines()]
    for line, following in pairwise(lines):
        assert len(line) + 1 + len(following.split()[0]) > 78


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("48.78 ± 17.97", "48.78 +- 17.97"),
        ("3 × 4", "3 x 4"),
        ("é à ñ", "e a n"),
        ("straße", "strasse"),
        ("─┼│╭╯━", "-+|++-"),
        ("µm", "um"),
        ("花", "?"),
        ("\udcff.png", "?.png"),
        ("a → b", "a -> b"),
    ],
)
def test_signs_become_the_nearest_that_there_are(text: str, plain: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = _Captured("ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    mend_streams()
    print(text, end="")
    assert stream.content() == plain


def test_a_file_name_that_is_no_utf8_can_be_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = _Captured("utf-8")
    monkeypatch.setattr(sys, "stdout", stream)
    mend_streams()
    print("photos/\udce4.png: 5 ± 1", end="")
    assert stream.content() == "photos/?.png: 5 ± 1"


def table(*budgets: float) -> RenderableType:
    record = {
        "resolution": 16,
        "recipe.learning_rate": 0.01234,
        "recipe.optimizer": "rmsprop",
        "recipe.ema": True,
        "recipe.dropout": 0.14,
        "recipe.stochastic_depth": 0.2,
        "recipe.mixup": 0.34,
        "recipe.weight_decay": 1.5e-5,
    }
    members = tuple(
        Member(
            name=f"{budget / 1e6:.4g}M",
            budget=budget,
            choices=(),
            costs={"flops": budget - 11.0, "params": 12_345_678.0},
            record=record,
            predicted=98.76,
            predicted_std=12.34,
            history=((1, 2.0),),
            seconds=1.0,
        )
        for budget in budgets
    )
    result = MemberResult(
        test_accuracy=100.0,
        validation_accuracy=98.76,
        uses_ema=False,
        losses=(),
        curve=(),
        ema_curve=(),
        seconds=1.0,
        identity="i",
        weights=Path("model.safetensors"),
    )
    card = Card(
        name="1M",
        architecture={},
        recipe={},
        accuracy={},
        data={},
        costs={},
        counted={},
        latency_ms={"eager": 123.45, "onnxruntime": 101.23},
        device="cpu",
        max_difference={"onnx": 1.2e-6},
        fixed_logits=(),
        logits_hash=LogitsHash(sha256="", step=1.0, offset=0.0),
        files={},
        versions={},
    )
    names = [member.name for member in members]
    return family_table(Family(members=members), dict.fromkeys(names, result), dict.fromkeys(names, card))


@pytest.mark.parametrize("width", [80, 100])
def test_the_family_table_has_no_cut_words(width: int) -> None:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(table(291_583.0, 1_234_567_890.0))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= width
    for word in ("budget", "FLOPs", "params", "predicted", "valid.", "test", "98.76 ± 12.34", "123.45", "1.2e-06"):
        assert word in text


def test_a_narrow_terminal_keeps_every_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    console = Console(file=io.StringIO(), width=40, color_system=None)
    console.print(table(291_583.0))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= 40
    assert "98.76 ± 12.34" in text
