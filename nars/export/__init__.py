"""A trained network in the formats people run, each checked against PyTorch."""

import lazy_loader

# The names are in __init__.pyi, each loaded when it is asked for: a question to a predictor needs no timm.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
