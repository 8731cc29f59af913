"""Handing an object full of tensors to other processes of this machine without a copy for each."""

from __future__ import annotations

import io
import os
import pickle
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, final

import torch
from torch import Tensor

from nars.files.atomic import naming


@dataclass(frozen=True)
class Shared:
    """An object in two parts: a file with its tensors, and the rest."""

    path: str
    rest: bytes


@final
class SharedObject:
    """Keeps an object's tensors in a file that `receive` maps into memory, for as long as it is open.

    A file rather than torch's shared memory: that lives in /dev/shm, which containers limit to 64 MB. On Linux the file
    has no name, so nothing is left behind however this process ends; elsewhere it is deleted on `close`.
    """

    def __init__(self, value: object) -> None:
        tensors, rest = take_apart(value)
        self._named = sys.platform != "linux"
        self._file = tempfile.NamedTemporaryFile(prefix="nars-", suffix=".tensors", delete=False, buffering=0)  # noqa: SIM115
        path = self._file.name
        try:
            _save(tensors, self._file)
        except BaseException:
            self._file.close()
            Path(path).unlink()
            raise
        if not self._named:
            Path(path).unlink()
            path = f"/proc/{os.getpid()}/fd/{self._file.fileno()}"
        self.message = Shared(path, rest)

    def close(self) -> None:
        """Give up the file; those who have received the object keep it."""
        self._file.close()
        if self._named:
            Path(self._file.name).unlink(missing_ok=True)


def _save(tensors: list[Tensor], file: IO[bytes]) -> None:
    """Write tensors; of a full disk torch says no more than "unexpected pos", so the reason is kept here."""
    sink = _Sink(file)
    with naming(file.name):
        try:
            torch.save(tensors, sink)  # type: ignore[arg-type]  # all that it calls is there
        except (OSError, RuntimeError):
            if sink.error is not None:
                raise sink.error from None
            raise


@final
class _Sink:
    """An unbuffered file to write to that remembers what the system refused."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.error: OSError | None = None

    def write(self, data: bytes) -> int:
        left = memoryview(data)
        try:
            while left:
                left = left[self._file.write(left) :]
        except OSError as error:
            self.error = self.error or error
            raise
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""


def receive(message: Shared) -> Any:
    """The object, its tensors mapped from the file: private, loaded when touched, shared between processes."""
    return put_together(torch.load(message.path, mmap=True, weights_only=True), message.rest)


def take_apart(value: object) -> tuple[list[Tensor], bytes]:
    """The tensors of an object, each once, and the pickled rest."""
    rest = io.BytesIO()
    pickler = _TensorsApart(rest)
    pickler.dump(value)
    return pickler.tensors, rest.getvalue()


def put_together(tensors: list[Tensor], rest: bytes) -> Any:
    """The object again. `rest` is unpickled: it must come from `take_apart` of one of our own processes."""
    return _TensorsBack(rest, tensors).load()


@final
class _TensorsApart(pickle.Pickler):
    """Pickles an object, setting its tensors aside."""

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file)
        self.tensors: list[Tensor] = []
        self._index: dict[int, int] = {}

    def persistent_id(self, obj: object) -> int | None:
        if type(obj) is not Tensor:
            return None
        if id(obj) not in self._index:
            self._index[id(obj)] = len(self.tensors)
            self.tensors.append(obj)
        return self._index[id(obj)]


@final
class _TensorsBack(pickle.Unpickler):
    """Reads what `_TensorsApart` wrote; both ends are ours, nothing of it comes from a file of the user's."""

    def __init__(self, rest: bytes, tensors: list[Tensor]) -> None:
        super().__init__(io.BytesIO(rest))
        self._tensors = tensors

    def persistent_load(self, pid: Any) -> Tensor:
        tensor: Tensor = self._tensors[pid]
        return tensor
