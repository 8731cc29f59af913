"""An architecture as a network: the classifier of any family, what it costs and how long a batch takes; timm's forms.

How it is trained does not belong here.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
