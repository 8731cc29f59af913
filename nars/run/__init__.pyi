from .checking import Checked as Checked, check as check, check_training as check_training
from .config import Execution as Execution, RunConfig as RunConfig, execution as execution
from .environment import Stage as Stage
from .given import Given as Given, load_config as load_config, read_config as read_config, run_names as run_names
from .identity import RunWarning as RunWarning
from .journal import Plan as Plan, RoundResult as RoundResult
from .opening import check_reopening as check_reopening, open_run as open_run, reopen_run as reopen_run
from .previewing import preview as preview
from .progress import Reporter as Reporter, Silent as Silent, Terminal as Terminal
from .run import Run as Run
