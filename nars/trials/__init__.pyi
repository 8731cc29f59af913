from .benchmarks import TABLES as TABLES, load_table as load_table
from .importing import Imported as Imported, import_trials as import_trials
from .reading import read_trials as read_trials
from .trials import (
    Trials as Trials,
    TrialTable as TrialTable,
    samples_of as samples_of,
    trials_of as trials_of,
    with_costs as with_costs,
)
