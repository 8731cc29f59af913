"""What buttons start: `nars train` and `nars export` of one candidate, in a process of their own, one at a time."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, final

import numpy as np

from nars.errors import ConfigError
from nars.explore.source import Source
from nars.search import Archive, Belief, verification_plan
from nars.space import Bounds, Population
from nars.stages import FamilyAnswer, save_answers
from nars.stages.answer_folder import is_answer
from nars.stages.asking import BudgetAnswer, Choice

State = Literal["running", "done", "failed"]
FOLDER = "explored"
"""Of the run's folder: candidates that were trained from the page."""


def kept_candidate(source: Source, row: Population, bounds: Bounds) -> Path:
    """A candidate (1, D) as an answer in the run's folder, which `nars train` takes; the folder.

    It has the name of the candidate, not of the limits: those move with the sliders, and what is trained stays so. No
    member of the run is called so either, and both can be registered with timm.

    Raises:
        ConfigError: it comes from no run that trains networks.
    """
    if source.run is None or source.predictor is None or not source.trains:
        raise ConfigError(
            f"{source.name} is no run with a predictor that trains networks: download the YAML, and train by nars "
            f"train CONFIG --model architecture.yaml --recipe recipe.yaml"
        )
    name = hashlib.sha256(row.tobytes()).hexdigest()[:8]
    folder = source.run.path / FOLDER
    if is_answer(folder / name):  # within other limits, or before the predictor learned more
        return folder / name
    space, model = source.space, source.predictor
    inputs = model.inputs(space, row)
    joint, prediction = model.predict_jointly(inputs), model.predict(inputs)
    belief = Belief(mean=model.metric.score(joint.mean), covariance=joint.covariance, noise=joint.noise)
    choice = Choice(
        rows=row,
        predicted=model.metric.inside(prediction.mean),
        predicted_std=prediction.std,
        costs=dict(space.costs(row)),
    )
    plan = verification_plan(belief, rng=np.random.default_rng(0))
    budget = BudgetAnswer(bounds=bounds, ties=choice, plan=plan, evaluations=1)
    answer = FamilyAnswer(
        space=space, budgets=(budget,), prices=(), known=Archive(space), seconds=0.0, metric=model.metric
    )
    return save_answers(answer, source.name, folder, names=[name])[0].folder


@final
class Jobs:
    """At most one at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._lines: deque[str] = deque(maxlen=12)
        self._state: State | None = None
        self._title = ""
        self._ended = False

    @property
    def report(self) -> dict[str, Any]:
        """What there is to show."""
        return {"title": self._title, "state": self._state, "lines": list(self._lines)}

    def start(self, title: str, commands: Sequence[Sequence[str]]) -> None:
        """Run commands of nars one after the other, until one fails.

        Raises:
            ConfigError: another job is running.
        """
        with self._lock:
            if self._state == "running":
                raise ConfigError(f"one training at a time, and {self._title} is running; wait for its end")
            self._title, self._state = title, "running"
            self._lines.clear()
        threading.Thread(target=self._run, args=(commands,), daemon=True).start()

    def stop(self) -> None:
        """End what is running; the same command goes on from there."""
        self._ended = True
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()

    def _run(self, commands: Sequence[Sequence[str]]) -> None:
        try:
            self._state = "failed" if self._code(commands) else "done"
        except OSError as error:  # no memory, too many files
            self._lines.append(f"it could not be started: {error}")
            self._state = "failed"

    def _code(self, commands: Sequence[Sequence[str]]) -> int:
        """The exit code of the last that was started."""
        code = 0
        for command in commands:
            if code or self._ended:
                break
            self._lines.append(f"$ nars {' '.join(command)}")
            self._process = subprocess.Popen(
                [sys.executable, "-m", "nars", *command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
            )
            with self._process as process:
                assert process.stdout is not None
                self._lines.extend(line.rstrip() for line in process.stdout)
            code = process.returncode
        return code
