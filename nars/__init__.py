"""nars: search a network's architecture and its training recipe together, for any resource budget.

The method is the one of FBNetV3, "Joint Architecture-Recipe Search using Predictor Pretraining" (arXiv 2006.02049, CVPR 2021).
"""

__version__ = "0.1.0"
