"""Measuring candidates: one training and its outcome, many of them on some workers, and how long to train."""

from nars.evaluate.engine import Engine, InProcess
from nars.evaluate.engines import ENGINES, open_engine
from nars.evaluate.evaluate import evaluate_trial
from nars.evaluate.stopping import FEWEST_CURVES, THRESHOLD, StopAdvice, choose_stop_epoch
from nars.evaluate.trial import EvaluationError, EvaluationSettings, Trial

__all__ = [
    "ENGINES",
    "FEWEST_CURVES",
    "THRESHOLD",
    "Engine",
    "EvaluationError",
    "EvaluationSettings",
    "InProcess",
    "StopAdvice",
    "Trial",
    "choose_stop_epoch",
    "evaluate_trial",
    "open_engine",
]
