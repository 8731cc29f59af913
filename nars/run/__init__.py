"""One run: its configuration, what can be known of it before it starts, its folder, and how far it is.

Stages compute; nothing here does.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
