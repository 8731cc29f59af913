"""The method, stage by stage; each takes a `Run` and leaves its result in the run's folder."""

from nars.stages.asking import FamilyAnswer, FrontAnswer, ask, ask_front
from nars.stages.asynchronous import OpenRounds
from nars.stages.collecting import Collection, collect
from nars.stages.config import ConfigError, Execution, RunConfig, execution, load_config, run_names
from nars.stages.decomposition import Shares, shares
from nars.stages.everything import is_finished, run_all
from nars.stages.exporting import export, verify_family
from nars.stages.growing import Grown, grow
from nars.stages.measuring import Plan, engine_of
from nars.stages.plan import plan
from nars.stages.pool import Pool, sample_pool
from nars.stages.predictors import open_predictor, write_predictor
from nars.stages.pretraining import pretrain
from nars.stages.progress import Reporter, Silent, Terminal
from nars.stages.run import Run, open_run, reopen_run
from nars.stages.searching import Member, scorer, search
from nars.stages.swapping import Swap, swap
from nars.stages.training import train
from nars.stages.training_other import train_other

__all__ = [
    "Collection",
    "ConfigError",
    "Execution",
    "FamilyAnswer",
    "FrontAnswer",
    "Grown",
    "Member",
    "OpenRounds",
    "Plan",
    "Pool",
    "Reporter",
    "Run",
    "RunConfig",
    "Shares",
    "Silent",
    "Swap",
    "Terminal",
    "ask",
    "ask_front",
    "collect",
    "engine_of",
    "execution",
    "export",
    "grow",
    "is_finished",
    "load_config",
    "open_predictor",
    "open_run",
    "plan",
    "pretrain",
    "reopen_run",
    "run_all",
    "run_names",
    "sample_pool",
    "scorer",
    "search",
    "shares",
    "swap",
    "train",
    "train_other",
    "verify_family",
    "write_predictor",
]
