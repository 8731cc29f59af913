"""Files: written whole or not at all, tables as they are, cells of tables, the user's home.

Knows nothing of spaces, images or runs.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
