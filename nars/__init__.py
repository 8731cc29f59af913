"""nars: search a network's architecture and its training recipe together, for any resource budget.

The method is that of FBNetV3, "Joint Architecture-Recipe Search using Predictor Pretraining" (arXiv 2006.02049). What
people use most is here, loaded when it is first used; the rest is in the packages below.
"""

import lazy_loader as _lazy

__version__ = "0.1.0"

_load, _listed, _names = _lazy.attach_stub(__name__, __file__)
__all__ = ["__version__", *_names]  # noqa: PLE0604  # names, all of them


def __getattr__(name: str) -> object:
    if name not in _names:
        raise AttributeError(f"module 'nars' has no attribute {name!r}; it has {', '.join(_names)}")
    return _load(name)


def __dir__() -> list[str]:
    """What is there, loaded or not, and the packages that are loaded."""
    return sorted({*_names, *(name for name in globals() if not name.startswith("_") or name.startswith("__"))})
