"""What may be chosen, and what a choice costs: a population is an integer matrix (N, D) of choice indices.

Dimensions, encoding, sampling, bounds and costs, each vectorized over the rows. Knows nothing of training, images or
predictors; nothing in it loads torch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
