"""Where trials run: engines, what they hand back, and how long to train.

Engines take trials as they come; which ones come is decided above.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
