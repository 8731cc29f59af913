"""What a run found, for people: a table on the terminal and a self-contained page with plots."""

import lazy_loader

# The names are in __init__.pyi, each loaded when it is asked for: a table needs no matplotlib.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
