"""Settings of the accuracy predictor, with the paper's as a named preset."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from nars.errors import PredictorError, require


@dataclass(frozen=True, kw_only=True)
class PredictorSettings:
    """Shape and training of a predictor. Defaults are the paper's where the paper gives a value."""

    members: int = 1
    """Networks in the ensemble, trained side by side from different initial weights."""
    hidden: tuple[int, ...] = (64, 64)
    """Widths of the encoder's hidden layers."""
    embedding: int = 24
    """Width of the architecture embedding (paper, section 3.2)."""
    head: int = 64
    """Width of the accuracy head's one hidden layer."""
    warp: bool = False
    """Train on accuracies transformed to a normal distribution of variance 1 (`nars.predictors.warp`), not on percent;
    `huber_delta` is then in standard deviations."""
    process: bool = False
    """Add a Gaussian process on the encoding and on the statistics that the encoder predicts; cross-validation decides
    how much either counts."""
    huber_delta: float = 1.0
    """Where the loss turns from square to linear (paper: 1, in percent)."""
    pretrain_epochs: int = 60
    pretrain_rate: float = 3e-3
    """Learning rate of the pretraining (Adam, cosine decay)."""
    pretrain_batch: int = 256
    """Architectures per step; less for pools of under 4,096, so that an epoch has at least 16 steps."""
    frozen_epochs: int = 50
    """Epochs with the encoder frozen (paper: 50)."""
    frozen_rate: float = 1e-2
    joint_epochs: int = 50
    """Epochs of everything (paper: 50)."""
    joint_rate: float = 1e-3
    """The reduced learning rate of the epochs that train everything."""
    batch: int = 32
    """Samples per step of the fit; more from about a thousand samples on, so that an epoch has some 32 steps."""
    weight_decay: float = 1e-4
    """Decoupled, on matrices only, in pretraining and fit."""

    def __post_init__(self) -> None:
        for name in ("members", "embedding", "head", "pretrain_batch", "batch"):
            require(PredictorError, getattr(self, name) >= 1, name, ">= 1", getattr(self, name))
        for name in ("pretrain_epochs", "frozen_epochs", "joint_epochs", "weight_decay"):
            require(PredictorError, getattr(self, name) >= 0, name, ">= 0", getattr(self, name))
        for name in ("huber_delta", "pretrain_rate", "frozen_rate", "joint_rate"):
            require(PredictorError, getattr(self, name) > 0, name, "> 0", getattr(self, name))
        require(PredictorError, min(self.hidden, default=1) >= 1, "hidden", "widths >= 1", self.hidden)


PRESETS: Mapping[str, PredictorSettings] = MappingProxyType(
    {
        "paper": PredictorSettings(),
        "default": PredictorSettings(
            members=4, hidden=(48, 48), head=32, warp=True, process=True, pretrain_epochs=100, pretrain_rate=5e-3
        ),
    }
)
"""Named settings: "paper" is the publication's predictor, "default" what the benchmark supports."""
