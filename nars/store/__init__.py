"""The sample store: what was trained, how, and what came out, as immutable Parquet files.

Never rewrites a measured row. Where samples come from does not belong here: that is the engines' business or that of
`nars.trials`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
