"""What a run needs of this machine: packages, a folder to write to, options that fit together."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, get_args

from nars.errors import ConfigError
from nars.parallel import AUTO
from nars.run.config import Execution, RunConfig
from nars.run.findings import Finding, Findings
from nars.run.folder import RunFolder, read_json
from nars.run.naming import fault_of_name

Stage = Literal["pretrain", "collect", "search", "train", "export"]
"""How far a command goes: a stage brings those before it."""

_STAGES: tuple[Stage, ...] = get_args(Stage)

_EXTRAS = {"onnx": ("onnx", "onnxscript", "onnxruntime"), "ray": ("ray",), "tensorboard": ("tensorboard",)}
"""Extras of this package, and the packages that they bring."""


def folder_findings(config: RunConfig, folder: Path | str | None, path: Path) -> Findings:
    """What is wrong with the name or place of the run's folder."""
    if folder is None and (fault := fault_of_name(config.name)) is not None:
        yield Finding(keys=("name",), text=fault)
        return
    key = "name" if folder is None else "--out"
    existing = next(parent for parent in (path, *path.absolute().parents) if parent.exists())
    if not existing.is_dir():
        yield Finding(keys=(key,), text=f"{existing} is a file, no folder; choose another with --out", here=True)
    elif not os.access(existing, os.W_OK | os.X_OK):
        reason = "read-only file system" if os.statvfs(existing).f_flag & os.ST_RDONLY else "permission denied"
        yield Finding(
            keys=(key,), text=f"{existing} cannot be written to ({reason}); choose another folder with --out", here=True
        )


def remaining(home: RunFolder, upto: Stage | None, *, grown: bool = False) -> frozenset[Stage]:
    """The stages that will be computed: up to the last one, without those that the folder holds unless it has grown."""
    if upto is None:
        return frozenset()
    stages = set(_STAGES[: _STAGES.index(upto) + 1])
    if grown:
        return frozenset(stages)
    if (home.predictor / "card.json").is_file():
        stages -= {"pretrain", "collect"}
    if home.family_file.is_file():
        stages -= {"pretrain", "collect", "search"}  # which a search by what was measured may have left nothing of
        members = read_json(home.family_file)["members"]
        names = [member["name"] for member in members if member.get("same_as") is None]
        if all(home.training_result(name).is_file() for name in names):
            stages -= {"train"}
        if all((home.member(name) / "card.json").is_file() for name in names):
            stages -= {"export"}
    return frozenset(stages)


def check_machine(config: RunConfig, execution: Execution, home: RunFolder, upto: Stage) -> None:
    """The part of `check` that only needs a look at what is installed here: for stages that Python calls.

    Raises:
        ConfigError: something is missing, one line each.
    """
    _refuse(machine_findings(config, execution, remaining(home, upto)))


def check_engine(execution: Execution) -> None:
    """The part of `check_machine` that no configuration is needed for: before one is made.

    Raises:
        ConfigError: options that contradict each other, or a missing package; one line each.
    """
    _refuse(_engine_findings(execution, starting=True))


def _refuse(findings: Findings) -> None:
    errors = [f"{finding.keys[0]}: {finding.text}" for finding in findings if not finding.warning]
    if errors:
        raise ConfigError("\n".join(errors))


def machine_findings(config: RunConfig, execution: Execution, left: frozenset[Stage]) -> Findings:
    """What is wrong with the options that say how to compute, or lacking of what the remaining stages need."""
    yield from _engine_findings(execution, starting="collect" in left)
    if "train" in left and config.trains_images:
        for watcher in config.final.watch:
            yield from _needs(watcher, f"watching with {watcher}", "final.watch")
    if "export" in left and config.trains_images:
        yield from _needs("onnx", "the export of the family", "export", "nars train ends before it")


def _engine_findings(execution: Execution, *, starting: bool) -> Findings:
    """Of the options alone; `starting`: stage 2 is to be computed."""
    if execution.address is not None and execution.engine != "ray":
        yield Finding(
            keys=("--address",),
            text=f"a Ray cluster is joined by --engine ray, got --engine {execution.engine}; add it, or leave out "
            f"--address",
            here=True,
        )
    if execution.per_gpu > 1 and execution.device == "cpu":
        yield Finding(
            keys=("--per-gpu",),
            text=f"{execution.per_gpu} trainings would share one GPU, and the device is the CPU; add --device cuda, or "
            f"say how many train at once with --workers",
            here=True,
        )
    if execution.engine == "ray" and execution.device not in (AUTO, "cpu", "cuda"):
        yield Finding(
            keys=("--device",),
            text=f"a Ray cluster trains on auto, cpu or cuda, as Ray chooses among its GPUs and knows none of Apple's; "
            f"got {execution.device}",
            here=True,
        )
    if execution.engine == "in-process" and execution.workers > 1:
        yield Finding(
            keys=("--workers",),
            text=f"--engine in-process trains one candidate after another in stage 2, not {execution.workers} at once",
            warning=True,
            here=True,
        )
    if starting and execution.engine == "ray":
        yield from _needs("ray", "--engine ray", "--engine")


def _needs(extra: str, what: str, key: str, way_out: str = "") -> Findings:
    missing = [package for package in _EXTRAS.get(extra, (extra,)) if find_spec(package) is None]
    if missing:
        command = f"pip install 'nars[{extra}]'" if extra in _EXTRAS else f"pip install {extra}"
        yield Finding(
            keys=(key,),
            text=f"{what} needs {', '.join(missing)}: {command}" + (f"; {way_out}" if way_out else ""),
            here=True,
        )
