from .engine import Engine as Engine, InProcess as InProcess
from .engines import ENGINES as ENGINES, open_engine as open_engine
from .evaluate import evaluate_trial as evaluate_trial
from .stopping import (
    FEWEST_CURVES as FEWEST_CURVES,
    THRESHOLD as THRESHOLD,
    StopAdvice as StopAdvice,
    choose_stop_epoch as choose_stop_epoch,
)
from .trial import EvaluationError as EvaluationError, EvaluationSettings as EvaluationSettings, Trial as Trial
