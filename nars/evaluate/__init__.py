"""Where trials run: engines, what they hand back, and how long to train.

Engines take trials of any task as they come; which ones come is decided above, what a task is below (`nars.tasks`).
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
