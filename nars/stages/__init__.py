"""The method, stage by stage: algorithm 1 of FBNetV3. Each stage leaves its result in the run's folder."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
