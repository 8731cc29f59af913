"""A trained network in the formats people run, each checked against PyTorch.

Trains nothing.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
