from .auditing import (
    Audit as Audit,
    Row as Row,
    TargetVerdict as TargetVerdict,
    audit as audit,
    plot_audit as plot_audit,
)
from .contest import (
    REGRESSORS as REGRESSORS,
    Contender as Contender,
    Score as Score,
    contenders as contenders,
    entries as entries,
    random_split as random_split,
    samples_needed as samples_needed,
    score as score,
)
from .failures import Failures as Failures
from .files import load_predictor as load_predictor, save_predictor as save_predictor
from .improvement import expected_improvement as expected_improvement, improving as improving
from .metrics import (
    kendall as kendall,
    mean_within as mean_within,
    precision_at_top as precision_at_top,
    spearman as spearman,
)
from .noise import Ceiling as Ceiling, noise_ceiling as noise_ceiling
from .predictor import Predictor as Predictor
from .regressor import (
    FittedRegressor as FittedRegressor,
    JointPrediction as JointPrediction,
    Prediction as Prediction,
    PretrainingReport as PretrainingReport,
    Regressor as Regressor,
    StatisticError as StatisticError,
)
from .rivals import RIVALS as RIVALS
from .settings import PRESETS as PRESETS, PredictorSettings as PredictorSettings
from .sources import Match as Match, Source as Source
from .statistics import free_statistics as free_statistics
