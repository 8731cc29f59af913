"""What a run found, for people: a table on the terminal and a self-contained page with plots.

Reads files only; computes nothing again.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
