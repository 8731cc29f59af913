from .errors import NarsWarning as NarsWarning, UserError as UserError
from .export import register as register
from .metric import Metric as Metric
from .predictors import load_predictor as load_predictor
from .run import Run as Run, load_config as load_config, open_run as open_run
from .space import Bounds as Bounds, Space as Space, load_space as load_space
from .stages import (
    ask as ask,
    ask_front as ask_front,
    fit as fit,
    open_loop as open_loop,
    run_all as run_all,
    save_answers as save_answers,
    verify_answer as verify_answer,
)
from .store import SampleStore as SampleStore
from .studies import compress as compress, export_trained as export_trained, train_pair as train_pair
from .trials import import_trials as import_trials, read_trials as read_trials

__version__: str
