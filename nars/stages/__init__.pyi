from .answer_folder import SavedAnswer as SavedAnswer, is_answer as is_answer, read_answer as read_answer
from .answers import save_answers as save_answers
from .asking import FamilyAnswer as FamilyAnswer, FrontAnswer as FrontAnswer, ask as ask, ask_front as ask_front
from .best import export_best as export_best, verify_best as verify_best
from .collecting import collect as collect, keep_fitted as keep_fitted, rounds_of as rounds_of
from .everything import run_all as run_all
from .exporting import (
    ExportedFamily as ExportedFamily,
    export as export,
    load_exported as load_exported,
    quantize as quantize,
    verify_family as verify_family,
)
from .finished import (
    TrainedFamily as TrainedFamily,
    check_stage as check_stage,
    is_finished as is_finished,
    load_trained as load_trained,
    needed as needed,
)
from .fitting import FittedTrials as FittedTrials, fit as fit
from .loop import Loop as Loop, open_loop as open_loop
from .measured import MeasuredFamily as MeasuredFamily, load_measured as load_measured, measure_family as measure_family
from .measuring import engine_of as engine_of
from .member import Member as Member, ScaledFrom as ScaledFrom
from .member_latency import (
    DeviceLatency as DeviceLatency,
    MemberLatency as MemberLatency,
    measure_members as measure_members,
    read_member_latency as read_member_latency,
)
from .members import Family as Family
from .pool import CandidatePool as CandidatePool, load_pool as load_pool, sample_pool as sample_pool
from .predictors import (
    load_fitted as load_fitted,
    open_predictor as open_predictor,
    predicted_of as predicted_of,
    predictor_folder as predictor_folder,
    scorer as scorer,
    write_predictor as write_predictor,
)
from .pretraining import load_pretrained as load_pretrained, pretrain as pretrain
from .prior import PriorFidelity as PriorFidelity, check_samples as check_samples, give_samples as give_samples
from .rounds import (
    Rounds as Rounds,
    RoundSettings as RoundSettings,
    best_of_bins as best_of_bins,
    most_improving as most_improving,
)
from .searching import load_family as load_family, search as search
from .timed import run_timed as run_timed, say_time as say_time
from .training import train as train
from .training_time import TrainingTime as TrainingTime
from .trust import Answer as Answer, Evidence as Evidence, doubts as doubts, evidence_of as evidence_of
from .verifying import (
    TRAININGS_EACH as TRAININGS_EACH,
    Verification as Verification,
    inform as inform,
    verify_answer as verify_answer,
)
from .warm_start import give_sources as give_sources, load_sources as load_sources, open_source as open_source
