"""Data sets of images: known ones and people's own, in memory or streamed from their files.

What a network or a training is does not belong here.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
