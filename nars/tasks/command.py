"""A user's own command as a task: it reads settings from a JSON file and prints a JSON line after each epoch."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

from nars.errors import EvaluationError
from nars.metric import Metric
from nars.parallel import Ending, Guarded
from nars.printing import counted
from nars.tasks.said import digest, read_said, spell_epochs
from nars.tasks.task import Measured, TaskError
from nars.tasks.trial import Trial

_PLACEHOLDERS = ("settings", "epochs", "seed", "device", "out")
_PLACEHOLDER = re.compile(r"\{\{(\w+)\}\}|\{(\w+)\}")
"""Doubled braces are braces."""
_OWN_END = 10.0
"""Seconds that a command has after its last epoch, to save what it likes."""
_SAID = 400
"""Characters of the end of the error stream that a message repeats."""
_NO_MEMORY = ("memoryerror", "out of memory", "bad_alloc", "can't allocate memory", "cannot allocate memory")
"""How Python, CUDA, C++ and torch say it last."""
_KILLED = 128 + signal.SIGKILL
"""What shells and containers make of a program that was killed, mostly for its memory."""


@final
@dataclass(frozen=True, kw_only=True)
class TrainerCommand:
    """A command such as `python train.py --settings {settings} --epochs {epochs} --seed {seed}`, without a shell.

    It prints a JSON line after each epoch, `{"epoch": 3, "metric": 0.81}`; the metric's own name will do as well, other
    numbers and texts in it are kept beside it, and lines that are something else are passed over. When it has said
    enough, it is stopped (SIGTERM, five seconds later SIGKILL), with all that it started. {device} is "cpu" or "cuda",
    where one GPU is to be used the only one that it sees.

    Raises:
        TaskError: it cannot be split into words, knows no settings, or has another placeholder than settings, epochs,
            seed, device and out.
    """

    command: str
    metric: Metric
    data_name: str = ""
    """What it is trained on, in the user's words: another name, samples that do not mix."""
    epochs: int | None = None
    """Of a whole training, which the command is told, also where a trial stops before; None: the trial's."""
    folder: str = field(default_factory=os.getcwd, compare=False)
    """Where it runs."""
    out: str | None = field(default=None, compare=False)
    """Where each training gets a folder of its own, {out}, named by the trial's key; None: one that is deleted
    afterwards."""

    def __post_init__(self) -> None:
        if self.epochs is not None and self.epochs < 1:
            raise TaskError(f"a training has 1 epoch or more; got {self.epochs}")
        words = self._words
        if not words:
            raise TaskError('a trainer\'s command is a program and what it is given, e.g. "python train.py {settings}"')
        used = [match[2] for word in words for match in _PLACEHOLDER.finditer(word) if match[2]]
        if unknown := [name for name in used if name not in _PLACEHOLDERS]:
            known = ", ".join(f"{{{name}}}" for name in _PLACEHOLDERS)
            raise TaskError(
                f"a trainer's command knows the placeholders {known}; got {{{unknown[0]}}} in {self.command!r}. Braces "
                f"that are meant as such are doubled: {{{{{unknown[0]}}}}}"
            )
        if "settings" not in used:
            raise TaskError(
                f"a trainer's command must hold {{settings}}, the path of a JSON file with what is to be trained; got "
                f"{self.command!r}"
            )

    @property
    def _words(self) -> list[str]:
        try:
            return shlex.split(self.command)
        except (ValueError, AttributeError) as error:
            raise TaskError(
                f"a trainer's command is split into words as a shell does ({error}); got {self.command!r}"
            ) from error

    @property
    def data(self) -> str:
        """Fingerprint of the command and the data's name."""
        return digest("command", self.command, self.data_name)

    def fidelity(self, epochs: int) -> str:
        """As in `Task`: "loss of python train.py {settings}, 10 epochs"."""
        return f"{self.metric.name} of {self.command}, {spell_epochs(epochs, self.epochs or epochs)}"

    def prepare(self) -> None:
        """See that the program is there.

        Raises:
            TaskError: it is not, or may not be run, or its folder is gone.
        """
        folder, program = Path(self.folder), self._words[0]
        if not folder.is_dir():
            raise TaskError(
                f"a trainer's command runs in {self.folder}, which is no folder; start nars in one that is there"
            )
        if _PLACEHOLDER.search(program):
            return
        named = folder / program if "/" in program else Path(program)
        if shutil.which(named) is None:
            there = named.is_file() and "/" in program
            fix = f"chmod +x {program}" if there else "install it, or give its path"
            raise TaskError(
                f"the program {program!r} of a trainer's command {'may not be run' if there else 'is not there'}; {fix}"
            )

    def set_up(self, trial: Trial, *, device: str) -> None:
        """As in `Task`: a program of its own shares nothing."""

    def train(self, trial: Trial, *, device: str, check: Callable[[], None]) -> Iterator[Measured]:
        """As in `Task`; `check` is called many times a second.

        Raises:
            TaskError: the program is not there.
            EvaluationError: it failed, or says something else than the metric.
        """
        self.prepare()
        whole = self.epochs or trial.epochs
        with _own_folder(self.out, trial.key) as out:
            settings = out / "settings.json"
            settings.write_text(json.dumps(dict(trial.record)), encoding="utf-8")
            kind = device.partition(":")[0]
            given = {"settings": settings, "epochs": whole, "seed": trial.seed, "device": kind, "out": out}
            words = [_PLACEHOLDER.sub(lambda m: str(given[m[2]]) if m[2] else f"{{{m[1]}}}", w) for w in self._words]
            with Guarded(words, folder=self.folder, environment=_environment(device)) as running:
                done, printed = 0, ""
                for line in running.lines(check):
                    printed = line.strip() or printed
                    said = _epoch_of(line)
                    if said is None:
                        continue
                    done += 1
                    yield read_said(said, self.metric, epoch=done)
                    if done == trial.epochs:
                        ends_itself = done == whole and "{epochs}" in self.command
                        running.stop(patience=_OWN_END if ends_itself else 0.0)
                        return
                assert running.ending is not None
                self._refuse(running.ending, running.errors, done, trial.epochs, printed)

    def _refuse(self, ending: Ending, errors: str, done: int, epochs: int, printed: str) -> None:
        """Raises: what it means that the command ended before its last epoch was measured."""
        if ending.errno is not None:
            raise TaskError(f"the trainer's command cannot be started ({os.strerror(ending.errno)}): {self.command}")
        last = " ".join(errors.split())
        says = f": {'...' * (len(last) > _SAID)}{last[-_SAID:]}" if last else "; it wrote nothing to its error stream"
        how = f"exit code {ending.code}" if ending.signal is None else _spell_signal(ending.signal)
        if ending.code == _KILLED or (ending.code != 0 and any(sign in errors.lower() for sign in _NO_MEMORY)):
            raise MemoryError(f"out of memory: the command ended with {how}{says}")
        if ending.code != 0:
            raise EvaluationError(f"the command ended with {how} in epoch {done + 1} of {epochs}{says}")
        example = json.dumps({"epoch": done + 1, self.metric.name: 0.5})
        line = f"; the last line that it printed was {printed[:_SAID]!r}" if printed else "; it printed nothing"
        raise EvaluationError(
            f"the command must print a JSON line after each of its {counted(epochs, 'epoch')}, such as {example}; it "
            f"ended after {done} of them{line}{says if last else ''}"
        )


def _epoch_of(line: str) -> Mapping[str, Any] | None:
    """What a line says of an epoch; None if it is something else, which people print too."""
    if not line.lstrip().startswith("{"):
        return None
    try:
        said = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return said if "epoch" in said else None


def _environment(device: str) -> dict[str, str]:
    """This process's environment, with lines that come at once, the threads of this process, and one GPU to see."""
    import torch

    environment = {"OMP_NUM_THREADS": str(torch.get_num_threads())} | os.environ | {"PYTHONUNBUFFERED": "1"}
    kind, _, number = device.partition(":")
    if kind == "cuda" and number:
        seen = [gpu for gpu in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if gpu]
        environment["CUDA_VISIBLE_DEVICES"] = seen[int(number)] if int(number) < len(seen) else number
    return environment


@contextmanager
def _own_folder(out: str | None, key: str) -> Iterator[Path]:
    """An empty folder for one training."""
    if out is None:
        with tempfile.TemporaryDirectory(prefix="nars-", ignore_cleanup_errors=True) as folder:
            yield Path(folder)
        return
    own = Path(out).absolute() / key
    shutil.rmtree(own, ignore_errors=True)  # what a killed attempt has left would pass for this one's
    own.mkdir(parents=True)
    yield own


def _spell_signal(number: int) -> str:
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = f"signal {number}"
    return f"{name}{' (out of memory?)' * (number == signal.SIGKILL)}"
