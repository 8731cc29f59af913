"""An architecture as a timm model: the classifier, the feature pyramid, what they cost and how long a batch takes.

How it is trained does not belong here.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
