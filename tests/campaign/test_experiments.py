"""The claims' experiments at their smallest, and verdicts against closed forms."""

import importlib
import signal
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import timm
from made_up_pairs import make
from scipy.stats import ttest_ind

from nars import network
from nars.space import load_space
from nars.store import SampleStore

SCRIPTS = Path(__file__).parents[2] / "scripts"


@pytest.fixture(scope="module", autouse=True)
def scripts():
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(SCRIPTS))
        patch.setattr("os.nice", lambda _: 0)  # for this process's other tests
        yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture(scope="module")
def pairs(scripts, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pairs")
    make(folder)
    return folder


def keys(folder: Path) -> dict[str, str]:
    return {sample.key: sample.finished for sample in SampleStore(folder).samples()}


def test_experiments_go_on_where_they_stopped_and_are_judged(
    pairs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script = importlib.import_module("campaign_experiments")
    ground = importlib.import_module("campaign_arms").Ground(pairs=pairs, out=pairs)
    names = ["longer", "stage3", "teacher", "contest", "ranks", "families", "time"]
    for name in names[:3]:
        next(script.EXPERIMENTS[name](ground))
    begun = {name: keys(pairs / name) for name in ("longer/samples", "stage3/search", "teacher/teacher")}
    monkeypatch.setattr(sys, "argv", ["campaign_experiments.py", str(pairs), *names])
    assert script.main() == 0
    assert all(some and some.items() <= keys(pairs / name).items() for name, some in begun.items())
    capsys.readouterr()
    sys.argv.append("--plan")
    assert script.main() == 0
    plan = [line for line in capsys.readouterr().out.splitlines() if "to come" in line]
    assert len(plan) == 12
    assert all(", 0 to come" in line or ", 0.00 h to come" in line for line in plan)
    verdicts = importlib.import_module("campaign_verdicts")
    found = {number: claim(pairs) for number, claim in verdicts.EXPERIMENTS.items() if number != 6}
    assert all(claim["interval"][0] <= claim["effect"] <= claim["interval"][1] for claim in found.values())
    with pytest.raises(verdicts.MissingError):
        verdicts.recipe_gain(pairs)
    importlib.import_module("campaign_figures").draw(found, pairs)
    assert len(list(pairs.glob("*.svg"))) == 7


def test_intervals_are_those_of_students_t_test(scripts) -> None:
    verdicts, rng = importlib.import_module("campaign_verdicts"), np.random.default_rng(0)
    better, worse = (dict(enumerate(mean + rng.normal(size=6))) for mean in (3.0, 0.0))
    noise = verdicts.Noise.of({("a",): better, ("b",): worse})
    claim = verdicts._claim(noise, [(better, worse)], "")
    known = ttest_ind(list(better.values()), list(worse.values())).confidence_interval()
    assert claim["interval"] == pytest.approx([known.low, known.high], abs=0.01)
    assert claim["verdict"] == "holds"
    assert verdicts._claim(noise, [(worse, better)], "")["verdict"] == "does not hold"
    twice = verdicts._claim(noise, [(better, worse), (better, worse)], "")
    assert twice == claim  # the same arms again are no more evidence


def test_two_networks_of_equal_cost_cross_where_both_lead_most(scripts) -> None:
    accuracy = np.array([[30.0, 40.0, 20.0], [35.0, 34.0, 33.0], [31.0, 31.0, 29.0], [0.0, 0.0, 90.0]])
    flops = np.repeat([100.0, 101.0, 99.0, 500.0], 3)  # the last crosses all others, and costs more
    rows = np.arange(12)[:, None]
    cells = SimpleNamespace(cube=np.stack([accuracy - 1, accuracy + 1], axis=2), flops=flops, X=rows, recipes=3)
    chosen = importlib.import_module("campaign_ranks").crossed(cells)
    assert [(one["model"], one["by"], one["row"]) for one in chosen] == [
        ("1", "1", [1]),  # 40 against 31
        ("1", "2", [2]),  # 20 against 29
        ("2", "1", [7]),
        ("2", "2", [8]),
    ]


def test_networks_of_people_are_theirs_and_as_large_as_they_may_be(scripts) -> None:
    scaled, space = importlib.import_module("campaign_scaled"), load_space("campaign")

    def parameters(name: str, depth: float) -> int:
        whole = scaled._network(name, 3, 10, depth=depth, resolution=32, width=1.0)
        return network.count(network.build(whole, seed=0), 32, 3)["params"]

    assert parameters("ResNet", 3) == 272_474  # ResNet-20 with projections
    assert parameters("RegNet", 1) == sum(
        p.numel() for p in timm.create_model("regnetx_002", num_classes=10).parameters()
    )
    for name in ("MobileNetV2", "ResNet"):
        for _, shape in scaled.shapes(name, space, flops=4e5, count=2):
            flops = network.count(network.build(shape, seed=0), shape.resolution, 3)["flops"]
            assert 0.65 * 4e5 <= flops <= 4e5
