"""What a candidate is trained for and measured by: a task's data, metric and fidelity, and the training of one trial.

Where trials run and what their failures are called is decided above (`nars.evaluate`), how a network learns below
(`nars.recipe`). A new task is a module here, a line in `TASKS`, and a case in its conformance suite.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
