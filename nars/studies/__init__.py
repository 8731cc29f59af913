"""What is done with finished runs and measured tables: swap, scaling, replay, training other networks.

No stage needs anything from here.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
