"""Final training of the networks that a search found."""

from nars.train.member import CHECKPOINT, RESULT, WEIGHTS, EpochReport, train_member, train_network
from nars.train.members import MemberJob, train_members
from nars.train.result import MemberResult, TrainError

__all__ = [
    "CHECKPOINT",
    "RESULT",
    "WEIGHTS",
    "EpochReport",
    "MemberJob",
    "MemberResult",
    "TrainError",
    "train_member",
    "train_members",
    "train_network",
]
