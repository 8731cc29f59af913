"""What accuracy a candidate will reach, from few measured accuracies and many free statistics."""

from nars.predictors.auditing import Audit, Ceiling, Row, TargetVerdict, audit, noise_ceiling, plot_audit
from nars.predictors.contest import MODELS, Contender, Score, contenders, random_split, samples_needed, score
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
from nars.predictors.rivals import RIVALS, AccuracyModel, FittedModel
from nars.predictors.settings import PRESETS, PredictorSettings
from nars.predictors.statistics import free_statistics

__all__ = [
    "MODELS",
    "PRESETS",
    "RIVALS",
    "AccuracyModel",
    "Audit",
    "Ceiling",
    "Contender",
    "FittedModel",
    "Prediction",
    "Predictor",
    "PredictorError",
    "PredictorSettings",
    "PretrainingReport",
    "Row",
    "Score",
    "StatisticError",
    "TargetVerdict",
    "audit",
    "contenders",
    "coverage",
    "free_statistics",
    "kendall",
    "kendall_within",
    "load_predictor",
    "mean_absolute_error",
    "mean_squared_error",
    "noise_ceiling",
    "plot_audit",
    "precision_at_top",
    "random_split",
    "samples_needed",
    "save_predictor",
    "score",
    "spearman",
]
