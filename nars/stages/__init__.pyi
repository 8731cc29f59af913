from .asking import FamilyAnswer as FamilyAnswer, FrontAnswer as FrontAnswer, ask as ask, ask_front as ask_front
from .asynchronous import OpenRounds as OpenRounds
from .collecting import Collection as Collection, collect as collect
from .everything import is_finished as is_finished, run_all as run_all
from .exporting import export as export, verify_family as verify_family
from .measuring import Plan as Plan, engine_of as engine_of
from .members import Member as Member
from .opening import check_reopening as check_reopening, open_run as open_run, reopen_run as reopen_run
from .pool import Pool as Pool, sample_pool as sample_pool
from .predictors import (
    open_predictor as open_predictor,
    predictor_folder as predictor_folder,
    scorer as scorer,
    write_predictor as write_predictor,
)
from .pretraining import pretrain as pretrain
from .searching import search as search
from .training import train as train
from .trust import Answer as Answer, Evidence as Evidence, doubts as doubts, evidence_of as evidence_of
