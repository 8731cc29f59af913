"""Who is tried next: strategies that are asked for rows and told their scores.

Never trains anything and never calls a predictor.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
