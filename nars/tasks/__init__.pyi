from .command import TrainerCommand as TrainerCommand
from .function import TrainerFunction as TrainerFunction
from .images import ImageClassification as ImageClassification
from .registry import TASKS as TASKS
from .said import digest as digest, read_said as read_said, spell_epochs as spell_epochs
from .task import Measured as Measured, Task as Task, TaskError as TaskError
from .trial import Trial as Trial, make_trials as make_trials
