"""Loading: large libraries in less time, and what users name by its place."""

from __future__ import annotations

import gc
import importlib
import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import PathFinder
from pkgutil import resolve_name


@contextmanager
def quick_imports() -> Iterator[None]:
    """Import inside without looking for garbage: hundreds of thousands of objects appear, and all of them stay.

    A fifth of the time that loading torch and timm takes. What was loaded is not looked through later either.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def load_place(place: str, *, what: str, error: type[Exception], folders: Sequence[str] = ()) -> object:
    """What a user names by "package.module:name".

    Args:
        place: The name.
        what: It is, for messages: "the function".
        error: To raise.
        folders: Looked through before what is installed, now and from then on: whoever types `nars` in a folder expects
            its modules to be found, as Python does for a script there. One that was loaded from another folder under
            the same name is loaded anew from the first of these that has it.

    Raises:
        error: It is no such name, cannot be imported, or belongs to the program that runs, where worker processes do
            not find it.
    """
    if not isinstance(place, str) or not re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*", place):
        raise error(f'{what} is named as package.module:name, e.g. "train:f1" for f1 in train.py; got {place!r}')
    module = place.partition(":")[0]
    if module == "__main__":
        raise error(
            f"{what} {place!r} belongs to the program itself, where other processes do not find it; put it in a module"
        )
    for folder in reversed(folders):
        if folder not in sys.path:
            sys.path.insert(0, folder)
    importlib.invalidate_caches()  # the module may have been written just now
    _prefer(module.partition(".")[0], folders)
    try:
        return resolve_name(place)
    except (Exception, SystemExit) as problem:  # whatever a module does when it is imported
        raise error(
            f"{what} {place!r} cannot be loaded ({type(problem).__name__}: {problem}); start nars in the folder of "
            f"{module.partition('.')[0]}.py, or put that folder on PYTHONPATH"
        ) from problem


def _prefer(name: str, folders: Sequence[str]) -> None:
    """Let a module be that of the first folder that has it, whatever was loaded under its name before."""
    for folder in folders:
        spec = PathFinder.find_spec(name, [folder])
        if spec is None or spec.origin is None:
            continue
        sys.path.remove(folder)
        sys.path.insert(0, folder)
        loaded = getattr(sys.modules.get(name), "__file__", None)
        if loaded is not None and os.path.realpath(loaded) != os.path.realpath(spec.origin):
            for other in [one for one in sys.modules if one == name or one.startswith(f"{name}.")]:
                del sys.modules[other]
        return
