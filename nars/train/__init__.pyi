from .deadline import Deadline as Deadline, epochs_within as epochs_within
from .member import (
    CHECKPOINT as CHECKPOINT,
    RESULT as RESULT,
    WEIGHTS as WEIGHTS,
    EpochReport as EpochReport,
    train_network as train_network,
)
from .members import MemberJob as MemberJob, train_members as train_members
from .mistakes import (
    MISTAKES as MISTAKES,
    Mistake as Mistake,
    keep_mistakes as keep_mistakes,
    read_mistakes as read_mistakes,
)
from .networks import (
    Renormalized as Renormalized,
    check_timm_teacher as check_timm_teacher,
    known_timm as known_timm,
    teaching_for as teaching_for,
    timm_network as timm_network,
    timm_resolution as timm_resolution,
    timm_teacher as timm_teacher,
)
from .result import MemberResult as MemberResult, TrainError as TrainError
from .scalars import WATCHERS as WATCHERS, open_scalars as open_scalars, scalars_of as scalars_of
from .trained import (
    TRAINED as TRAINED,
    TrainedNetwork as TrainedNetwork,
    is_trained as is_trained,
    load_trained as load_trained,
    read_trained as read_trained,
    trained_in as trained_in,
)
