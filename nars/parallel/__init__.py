"""Work for the cores and GPUs of one machine: persistent processes that share data and survive one another's death.

What the work is does not belong here.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
