"""What a user can do wrong is a `UserError` that says what it got, from Python and from the command line."""

import importlib
import inspect
import pkgutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import nars
from nars.cli import main
from nars.errors import NarsWarning, UserError

API: dict[str, tuple[Callable[[], Any], str]] = {
    "a name of a wrong type": (lambda: nars.ask(3, [nars.Bounds()]), "run folder; got 3"),
    "a predictor that is not there": (lambda: nars.ask("nosuch", [nars.Bounds()]), "no predictor at 'nosuch'"),
    "a negative seed": (lambda: nars.ask("cifar10", [nars.Bounds()], seed=-1), "from 0 on; got -1"),
    "a fraction as seed": (lambda: nars.ask_front("cifar10", ["flops"], seed=0.5), "from 0 on; got 0.5"),
    "no budget": (lambda: nars.ask("cifar10", []), "at least one budget"),
    "a budget that nothing keeps": (lambda: nars.ask("cifar10", [nars.Bounds.at_most(flops=1)]), "nearest bounds"),
    "a limit that is no number": (lambda: nars.Bounds.at_most(flops="much"), "got 'much'"),
    "a space of a wrong type": (lambda: nars.load_space(None), "YAML file; got None"),
    "an unknown space": (lambda: nars.load_space("nosuch"), "no space is called 'nosuch'"),
    "a configuration of a wrong type": (lambda: nars.load_config(3), "a run's folder, or a mapping .*; got 3"),
    "an unknown key": (lambda: nars.load_config("digits", {"nosuch": 1}), "unknown key 'nosuch'"),
    "a name as configuration": (lambda: nars.open_run("digits"), "load_config.'digits'.; got 'digits'"),
    "a configuration as run": (lambda: nars.run_all(nars.load_config("digits")), "takes an opened run"),
    "a name as space": (lambda: nars.load_predictor("predictors/cifar10", "cifar10"), "got 'cifar10'"),
    "trials without their space": (lambda: nars.read_trials("trials.csv", "digits"), "got 'digits'"),
    "a file as trials": (lambda: nars.import_trials("trials.csv", "runs/old"), "got 'trials.csv'"),
    "a store without address": (lambda: nars.SampleStore(None), "got None"),
    "a store that is not there": (lambda: nars.SampleStore("nosuch", must_exist=True), "no sample store at"),
    "a folder without members": (lambda: nars.register("nosuch"), "No exported member"),
}


@pytest.mark.parametrize("case", API)
def test_from_python(case: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    call, message = API[case]
    with pytest.raises(UserError, match=message):
        call()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "command",
    [
        "search --predictor cifar10 --max-flops 3M --seed -1",
        "search --predictor nosuch --max-flops 3M",
        "search --predictor cifar10 --max-flops much",
        "space sample digits --seed -1",
        "space sample digits -n 0",
        "latency digits --threads 0",
        "scale nosuch --to 1M",
        "swap nosuch",
        "audit nosuch",
        "import nosuch.csv --space digits --out store",
        "store info nosuch",
        "store replay nosuch --trainings 3",
        "report nosuch",
        "export nosuch",
        "train digits --model timm:nosuch",
        "run nosuch",
        "run digits --workers -1",
    ],
)
def test_from_the_command_line(
    command: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["nars", *command.split()])
    with pytest.raises(SystemExit) as leaving:
        main()
    assert leaving.value.code == 2
    assert "rror" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_every_public_exception_is_a_users() -> None:
    """Those of a training that diverges, of workers that do not start, of samples that do not fit, ..."""
    names = [module.name for module in pkgutil.walk_packages(nars.__path__, "nars.") if module.name != "nars.__main__"]
    found = {
        value
        for name in names
        for value in vars(importlib.import_module(name)).values()
        if inspect.isclass(value) and issubclass(value, BaseException) and value.__module__.startswith("nars.")
    }
    ours = ("NarsError", "SpecError")  # the base of all; of one entry of a space file, never let out
    public = {kind for kind in found if not kind.__name__.startswith("_") and kind.__name__ not in ours}
    assert {"DivergedError", "PoolError", "SpaceError", "StoreError"} <= {kind.__name__ for kind in public}
    assert [kind for kind in public if not issubclass(kind, (UserError, NarsWarning))] == []
