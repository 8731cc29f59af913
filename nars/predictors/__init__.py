"""What accuracy a candidate will reach, from few measured accuracies and many free statistics."""

from nars.predictors.errors import PredictorError
from nars.predictors.files import load_predictor, save_predictor
from nars.predictors.metrics import (
    coverage,
    kendall,
    kendall_within,
    mean_absolute_error,
    mean_squared_error,
    precision_at_top,
    spearman,
)
from nars.predictors.predictor import Predictor
from nars.predictors.results import Prediction, PretrainingReport, StatisticError
from nars.predictors.settings import PRESETS, PredictorSettings
from nars.predictors.statistics import free_statistics

__all__ = [
    "PRESETS",
    "Prediction",
    "Predictor",
    "PredictorError",
    "PredictorSettings",
    "PretrainingReport",
    "StatisticError",
    "coverage",
    "free_statistics",
    "kendall",
    "kendall_within",
    "load_predictor",
    "mean_absolute_error",
    "mean_squared_error",
    "precision_at_top",
    "save_predictor",
    "spearman",
]
