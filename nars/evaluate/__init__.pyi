from .engine import Engine as Engine, Limits as Limits
from .engines import open_engine as open_engine
from .outcome import evaluate_trial as evaluate_trial
from .stopping import FEWEST_CURVES as FEWEST_CURVES, StopAdvice as StopAdvice, choose_stop_epoch as choose_stop_epoch
