"""The outcome of a final training."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from nars.errors import UserError
from nars.files.atomic import write_json
from nars.metric import ACCURACY, IMAGE_METRICS
from nars.printing import brief_repr
from nars.recipe import POLICY_FILE, ClassTable


class TrainError(UserError):
    """A final training that cannot be started or continued; the message names the file or setting and the way out."""


@dataclass(frozen=True, kw_only=True)
class MemberResult:
    """A trained network. Accuracies are top-1 percentages."""

    __repr__ = brief_repr

    test_accuracy: float
    """Accuracy of the weights in `weights`; the test split was looked at once, for this number."""
    validation_accuracy: float
    """Accuracy of the same weights, in the last epoch."""
    uses_ema: bool
    """Whether these are the averaged weights: those of the better validation accuracy, on a tie the averaged ones."""
    losses: tuple[float, ...]
    """(epochs,) mean training loss."""
    curve: tuple[float, ...]
    """(epochs,) the metric on validation images, of the raw weights after each epoch."""
    ema_curve: tuple[float, ...]
    """(epochs,) of the averaged weights; empty when the recipe has no EMA."""
    seconds: float
    """Wall time of training and validation, interrupted runs included."""
    identity: str
    """Hash of all that determines the weights: settings, data, initial network, teacher."""
    weights: Path
    """The trained network (safetensors)."""
    metric: str = ACCURACY.name
    """What the training was measured by, one of `nars.metric.IMAGE_METRICS`: the curves are of it."""
    validation_value: float | None = None
    """Its value on validation images; None of earlier trainings, which were measured by accuracy."""
    test_scores: Mapping[str, float] = field(default_factory=dict)
    """Every one of those metrics on the test split; none of earlier trainings."""
    test_classes: ClassTable | None = None
    """The classes one by one on the test split; None of earlier trainings."""

    @property
    def validation(self) -> float:
        """What the metric says of the validation images."""
        return self.validation_accuracy if self.validation_value is None else self.validation_value

    @property
    def test(self) -> float:
        """What it says of the test images."""
        return self.test_scores.get(self.metric, self.test_accuracy)

    @property
    def policy(self) -> Path | None:
        """The distribution that its augmentation was drawn from, beside the weights; None where that did not change."""
        file = self.weights.with_name(POLICY_FILE)
        return file if file.is_file() else None

    @property
    def spelled_scores(self) -> dict[str, str]:
        """The metrics on the test split for people, {"balanced accuracy": "90.12 %", ...}."""
        return {name.replace("_", " "): IMAGE_METRICS[name].spell(v) for name, v in self.test_scores.items()}

    @property
    def says(self) -> str:
        """ "validation 91.20 %, test 90.75 %", with the name of another metric than accuracy."""
        metric = IMAGE_METRICS[self.metric]
        of = "" if metric == ACCURACY else f"{metric.name.replace('_', ' ')}: "
        return f"{of}validation {metric.spell(self.validation)}, test {metric.spell(self.test)}"

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
            document = json.loads(path.read_text(encoding="utf-8"))
            document |= {name: tuple(document[name]) for name in ("losses", "curve", "ema_curve")}
            if document.get("test_classes") is not None:
                document["test_classes"] = ClassTable.read(document["test_classes"])
            return MemberResult(**document | {"weights": path.parent / document["weights"]})
        except (ValueError, TypeError, KeyError) as error:
            raise TrainError(f"{path} is not the result of a training ({error}). Delete it to train again.") from error
