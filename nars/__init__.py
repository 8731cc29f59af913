"""nars: search a network's architecture and its training recipe together, for any resource budget.

The method is that of FBNetV3, "Joint Architecture-Recipe Search using Predictor Pretraining" (arXiv 2006.02049).
"""

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """`nars.register(folder)`, loaded when asked for: importing nars itself costs nothing."""
    if name == "register":
        from nars.export import register

        return register
    raise AttributeError(f"module 'nars' has no attribute {name!r}")
