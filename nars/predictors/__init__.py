"""What accuracy a candidate will reach, from few measured accuracies and many free statistics."""

import lazy_loader

# The names are in __init__.pyi, each loaded when it is asked for: a question to a predictor needs no timm.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
