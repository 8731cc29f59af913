"""Final training of the networks that a search found, resumable at any moment.

Who is trained, and who teaches, is decided above.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
