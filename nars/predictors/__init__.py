"""What accuracy a candidate will reach, from few measured accuracies and many free statistics.

Proposes nothing and trains no candidate.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
