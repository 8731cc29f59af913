"""The method, stage by stage; each takes a `Run` and leaves its result in the run's folder."""

from nars.stages.config import ConfigError, Execution, RunConfig, execution, load_config, run_names
from nars.stages.plan import plan
from nars.stages.progress import Reporter, Silent, Terminal
from nars.stages.run import Run, open_run

__all__ = [
    "ConfigError",
    "Execution",
    "Reporter",
    "Run",
    "RunConfig",
    "Silent",
    "Terminal",
    "execution",
    "load_config",
    "open_run",
    "plan",
    "run_names",
]
