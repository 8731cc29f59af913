"""nars: search a network's architecture and its training recipe together, for any resource budget.

The method is that of FBNetV3, "Joint Architecture-Recipe Search using Predictor Pretraining" (arXiv 2006.02049).
"""

from importlib import import_module as _import_module

__version__ = "0.1.0"


_PUBLIC = {"Bounds": "nars.space", "ask": "nars.stages", "ask_front": "nars.stages", "register": "nars.export"}
"""What people use most, and where it is."""

__all__ = ["__version__", *_PUBLIC]  # noqa: PLE0604  # names, all of them


def __getattr__(name: str) -> object:
    """`nars.ask(...)`, `nars.register(folder)`, ..., loaded when asked for: importing nars itself costs nothing."""
    if name in _PUBLIC:
        return getattr(_import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'nars' has no attribute {name!r}; it has {', '.join(_PUBLIC)}")


def __dir__() -> list[str]:
    """What is there, loaded or not, and the packages that are loaded."""
    return sorted({*_PUBLIC, *(name for name in globals() if not name.startswith("_") or name.startswith("__"))})
