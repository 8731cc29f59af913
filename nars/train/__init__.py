"""Final training of the networks that a search found."""

from nars.train.member import CHECKPOINT, RESULT, WEIGHTS, EpochReport, train_member, train_network
from nars.train.members import MemberJob, train_members
from nars.train.networks import Renormalized, check_timm_teacher, timm_network, timm_teacher
from nars.train.result import MemberResult, TrainError
from nars.train.scalars import WATCHERS, Scalars, open_scalars, scalars_of

__all__ = [
    "CHECKPOINT",
    "RESULT",
    "WATCHERS",
    "WEIGHTS",
    "EpochReport",
    "MemberJob",
    "MemberResult",
    "Renormalized",
    "Scalars",
    "TrainError",
    "check_timm_teacher",
    "open_scalars",
    "scalars_of",
    "timm_network",
    "timm_teacher",
    "train_member",
    "train_members",
    "train_network",
]
