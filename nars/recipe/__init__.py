"""A training recipe, and the one loop that trains by it.

Which networks are trained, and where results go, does not belong here.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
