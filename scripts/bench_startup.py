"""How long do the commands take that train nothing, and what do they load? How fast are predictions without torch?

Command   python scripts/bench_startup.py          (--repeats 5)
Cost      about 2 minutes, one core, no GPU; most of it makes the finished run that is opened.
Machine   wants a quiet one; the medians of processor seconds of whole processes stand a little noise.
Expected  three budgets in 1.3 s, a finished run in 1.0 s, --help in 0.35 s; four budgets of fbnetv3 in 1.1 s; no heavy
          package loaded by any of the commands.
Truth     processor seconds (user and system) as the system counts them for each process, and the names in
          `sys.modules` when it ends. The predictor of the last two figures has the default preset's size and made-up
          accuracies: it says nothing of accuracy. torch predicts by the same saved weights.

The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from nars.predictors import Predictor

HEAVY = (
    *("torch", "torchvision", "timm", "fvcore", "onnx", "onnxscript", "onnxruntime", "ray", "tensorboard"),
    *("pandas", "pyarrow.dataset", "scipy.stats", "scipy.optimize", "sklearn", "matplotlib", "jinja2"),
)
"""What takes tenths of a second to seconds to load."""

_PROGRAM = f"""
import sys
from nars.cli import main
try:
    main()
finally:
    print("LOADED", *sorted(set({HEAVY!r}) & set(sys.modules)), file=sys.stderr)
"""

_SETTINGS = """
--engine in-process --workers 1 --device cpu --budgets 250k,500k --set data.max_train=64 --set pretraining.pool=128
--set collect.rounds=2 --set collect.per_round=6 --set collect.epochs=2 --set collect.warmup_epochs=0
--set final.epochs=1 --set final.warmup_epochs=0
"""
"""Of a run that takes a minute."""

_ROWS = 20_000
"""Candidates that are predicted at once."""


@dataclass(frozen=True, kw_only=True)
class Ended:
    """A command of nars that has run in a process of its own."""

    code: int
    cpu_seconds: float
    loaded: tuple[str, ...]
    """Those of `HEAVY` that it has loaded."""
    said: str
    """Its standard error."""


def nars(command: str) -> Ended:
    """Run `nars COMMAND`."""
    with tempfile.TemporaryFile("w+", encoding="utf-8") as said:
        process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, *shlex.split(command)],
            stdout=subprocess.DEVNULL,
            stderr=said,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        *lines, last = said.read().splitlines()
    return Ended(
        code=process.returncode,
        cpu_seconds=usage.ru_utime + usage.ru_stime,
        loaded=tuple(last.split()[1:]),
        said="\n".join(lines),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5, help="processes of each command")
    parser.add_argument("--ask", type=Path, help=argparse.SUPPRESS)  # the second half, in a process of its own
    arguments = parser.parse_args()
    if arguments.ask is not None:
        print(json.dumps(asked(arguments.ask, repeats=arguments.repeats)))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("what", "median", "least", "most", "loaded", title="processor seconds")
    document: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as scratch:
        run = Path(scratch) / "run"
        made = nars(f"run digits --out {shlex.quote(str(run))} {_SETTINGS}")
        if made.code:
            sys.exit(made.said)
        commands = {
            "search": "search --predictor cifar10 --max-flops 2M,3M,4M",
            "finished_run": f"run {shlex.quote(str(run))}",
            "help": "--help",
        }
        for name, command in commands.items():
            ended = [nars(command) for _ in range(arguments.repeats)]
            for one in ended:
                if one.code:
                    sys.exit(one.said)
            seconds = [one.cpu_seconds for one in ended]
            document[f"{name}_cpu_seconds"] = round(statistics.median(seconds), 2)
            document[f"loaded_on_{name}"] = list(ended[0].loaded)
            shown = command.replace(str(run), "RUN")
            table.add_row(f"nars {shown}", *_spread(seconds, "{:.2f}"), ", ".join(ended[0].loaded) or "-")
        predictor = Path(scratch) / "predictor"
        make_predictor(predictor, process=True)
        make_predictor(predictor / "networks", process=False)
        answer = subprocess.run(
            [sys.executable, __file__, "--ask", str(predictor), "--repeats", str(arguments.repeats)],
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            check=True,
            capture_output=True,
            text=True,
        )
    found = json.loads(answer.stdout.splitlines()[-1])
    table.add_row("four budgets of fbnetv3, the search alone", *_spread(found["four"], "{:.2f}"), "")
    for library in ("numpy", "torch"):
        table.add_row(f"predictions per second, {library}", *_spread(found[library], "{:,.0f}"), "")
    Console().print(table)
    document["four_budgets_seconds"] = round(statistics.median(found["four"]), 2)
    document["predictions_per_second"] = {name: round(statistics.median(found[name])) for name in ("numpy", "torch")}
    document["largest_difference_percent"] = found["difference"]
    print(json.dumps(document))


def _spread(values: list[float], form: str) -> Iterator[str]:
    return map(form.format, (statistics.median(values), min(values), max(values)))


def make_predictor(folder: Path, *, process: bool) -> None:
    """A predictor of fbnetv3 of the real size, fitted on 200 made-up accuracies; with a Gaussian process or without."""
    from nars.predictors import PRESETS, Predictor, free_statistics
    from nars.space import load_space, sobol, uniform
    from nars.stages import write_predictor

    space = load_space("fbnetv3")
    rng = np.random.default_rng(0)
    X = sobol(space, 2000, seed=0)
    model = Predictor.pretrain(
        space.encode(X)[:, : space.architecture_width],
        free_statistics(space, X),
        recipe_width=space.recipe_width,
        settings=replace(PRESETS["default"], pretrain_epochs=20, process=process),
        seed=0,
    )
    X = uniform(space, 200, rng=rng)
    encoding = space.encode(X)
    accuracy = 60 + 8 * np.log(space.costs(X)["flops"] / 1e8) + encoding @ rng.normal(size=encoding.shape[1]) / 2
    write_predictor(folder, model.fit(encoding, accuracy, seed=0), space=space, data="made up", quality={})


def asked(folder: Path, *, repeats: int) -> dict[str, Any]:
    """Four budgets (processor seconds each time) and predictions per second, by NumPy before torch is loaded."""
    from nars.search import search_family
    from nars.space import Bounds, sobol
    from nars.stages import open_predictor, scorer

    space, model = open_predictor(folder)
    budgets = [Bounds.at_most(flops=flops) for flops in (450e6, 550e6, 650e6, 750e6)]
    four = []
    for seed in range(repeats):
        started = time.process_time()
        search_family(space, scorer(space, model), budgets, rng=np.random.default_rng(seed))
        four.append(time.process_time() - started)
    _, networks = open_predictor(folder / "networks")
    encoding = space.encode(sobol(space, _ROWS, seed=1))
    fast = _rates(lambda: networks.predict_mean(encoding), repeats)
    by_torch = _torch(folder / "networks", networks, encoding)
    slow = _rates(by_torch, repeats)
    difference = float(np.abs(networks.predict_mean(encoding) - by_torch()).max())
    return {"four": four, "numpy": fast, "torch": slow, "difference": difference}


def _rates(predict: Callable[[], object], repeats: int) -> list[float]:
    """Candidates per second of processor time, after a first call that does not count."""
    predict()
    rates = []
    for _ in range(repeats):
        started = time.process_time()
        predict()
        rates.append(_ROWS / (time.process_time() - started))
    return rates


def _torch(folder: Path, model: Predictor, encoding: np.ndarray[Any, Any]) -> Callable[[], np.ndarray[Any, Any]]:
    """What an ensemble without a process predicts, percent (N,), by torch from its saved weights."""
    import torch
    from safetensors.torch import load_file

    torch.set_num_threads(1)
    weights = load_file(folder / "predictor.safetensors")
    x, width = torch.from_numpy(encoding.astype(np.float32)), model.architecture_width
    assert model.fitted is not None
    warp = model.fitted.warp

    def through(part: str, x: torch.Tensor) -> torch.Tensor:
        for number in itertools.count():
            if f"{part}.{number}.weight" not in weights:
                return x
            x = torch.relu(x) if number else x
            x = torch.baddbmm(weights[f"{part}.{number}.bias"], x, weights[f"{part}.{number}.weight"])
        raise AssertionError("a part has an end")

    @torch.inference_mode()
    def predict() -> np.ndarray[Any, Any]:
        means = []
        for start in range(0, len(x), 1024):
            rows = x[start : start + 1024]
            members = len(weights["tuned.0.weight"])
            tuned = through("tuned", rows[:, :width].expand(members, -1, -1))
            joined = torch.cat([tuned, rows[:, width:].expand(members, -1, -1)], dim=2)
            means.append(through("accuracy", joined)[..., 0].mean(dim=0))
        return warp.inverse(torch.cat(means).double().numpy())

    return predict


if __name__ == "__main__":
    main()
