"""The outcome of a final training."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from nars.errors import UserError
from nars.files.atomic import write_json
from nars.printing import brief_repr
from nars.recipe import POLICY_FILE


class TrainError(UserError):
    """A final training that cannot be started or continued; the message names the file or setting and the way out."""


@dataclass(frozen=True, kw_only=True)
class MemberResult:
    """A trained network. Accuracies are top-1 percentages."""

    __repr__ = brief_repr

    test_accuracy: float
    """Accuracy of the weights in `weights`; the test split was looked at once, for this number."""
    validation_accuracy: float
    """Accuracy of the same weights."""
    uses_ema: bool
    """Whether these are the averaged weights: those of the better validation accuracy, on a tie the averaged ones."""
    losses: tuple[float, ...]
    """(epochs,) mean training loss."""
    curve: tuple[float, ...]
    """(epochs,) validation accuracy of the raw weights after each epoch."""
    ema_curve: tuple[float, ...]
    """(epochs,) of the averaged weights; empty when the recipe has no EMA."""
    seconds: float
    """Wall time of training and validation, interrupted runs included."""
    identity: str
    """Hash of all that determines the weights: settings, data, initial network, teacher."""
    weights: Path
    """The trained network (safetensors)."""

    @property
    def policy(self) -> Path | None:
        """The distribution that its augmentation was drawn from, beside the weights; None where that did not change."""
        file = self.weights.with_name(POLICY_FILE)
        return file if file.is_file() else None

    def save(self, path: Path) -> None:
        """Write the result as JSON; `load` reads it back."""
        write_json(path, {**asdict(self), "weights": self.weights.name})

    @staticmethod
    def load(path: Path) -> MemberResult:
        """Read what `save` wrote; the weights lie beside it.

        Raises:
            TrainError: the file is not such a result.
        """
        try:
            document = json.loads(path.read_text())
            document |= {name: tuple(document[name]) for name in ("losses", "curve", "ema_curve")}
            return MemberResult(**document | {"weights": path.parent / document["weights"]})
        except (ValueError, TypeError, KeyError) as error:
            raise TrainError(f"{path} is not the result of a training ({error}). Delete it to train again.") from error
