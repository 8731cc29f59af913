"""One candidate made and measured: pruned, fine-tuned, exported, quantised, and run by ONNX Runtime."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import nn

from nars.errors import DataError
from nars.export import checked_onnx, compacted, encode_int8, onnx_accuracy
from nars.export.card import sha256
from nars.files.atomic import write_bytes, write_json
from nars.images import spread_over
from nars.metric import ACCURACY, IMAGE_METRICS
from nars.network import count, onnx_milliseconds, prune, renew_statistics
from nars.parallel import processor_name, torch_threads
from nars.printing import brief_repr
from nars.recipe import Schedule, Teaching, TrainingSettings
from nars.run.fidelity import final_settings
from nars.run.progress import Advance
from nars.studies.compression.choices import Choice
from nars.studies.compression.workshop import AGAIN, Workshop
from nars.train import EpochReport, train_network

MODEL, CARD = "model.onnx", "card.json"
"""Files of a candidate."""

_NETWORK = "network.json"
"""Beside a fine-tuning's ONNX file: what the pruned network is; the last to be written."""
_GENTLE = 0.25
"""Share of the recipe's learning rate that trained weights are trained on with."""
_CHECKED = 256
_DIGITS = 2
"""Of the milliseconds: more of them change from one measurement to the next, and would put chance on the front."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A candidate as ONNX Runtime runs its file."""

    __repr__ = brief_repr

    name: str
    """A part for each stage: f (float32) or q (int8), and the percent of its channels that are taken out."""
    int8: tuple[str, ...]
    """Stages that compute in 8-bit integers."""
    pruned: Mapping[str, float]
    """Share of the channels that is taken out, of each stage where that is not 0."""
    accuracy: Mapping[str, float]
    """What `metric` says of the file, in its unit, by split: "validation", and "test" of models on the front."""
    bytes: int
    """Of the file."""
    latency_ms: float
    """Of one image on one CPU thread, milliseconds, to two digits."""
    flops: int
    """Multiply-accumulates of convolutions and linear layers for one image."""
    params: int
    sha256: str
    """Of the file."""
    max_difference: float
    """Largest difference of a logit between the float32 file of these weights and PyTorch."""
    epochs: int
    """It was fine-tuned for; 0 where nothing is pruned."""
    device: str
    """Where the latency was measured."""
    metric: str = ACCURACY.name
    """The run's, one of `nars.metric.IMAGE_METRICS`; cards of earlier versions, all of accuracy, do not name it."""

    @property
    def score(self) -> float:
        """On validation images such that more is better, in the metric's unit."""
        return IMAGE_METRICS[self.metric].score(self.accuracy["validation"])

    @property
    def spelled(self) -> str:
        """What was measured on validation images, for people: "91.20 %", "0.3121"."""
        return IMAGE_METRICS[self.metric].spell(self.accuracy["validation"])

    def save(self, folder: Path) -> None:
        """Write its card, the last file of its folder."""
        write_json(folder / CARD, asdict(self))

    @staticmethod
    def load(folder: Path) -> Measured:
        """Read what `save` wrote.

        Raises:
            DataError: the card is damaged, or the file beside it is not the one that was measured.
        """
        try:
            document = json.loads((folder / CARD).read_text(encoding="utf-8"))
            found = Measured(**{**document, "int8": tuple(document["int8"])})
        except (ValueError, TypeError, KeyError) as error:
            raise DataError(f"{folder / CARD} is not what nars writes ({error!r}). {AGAIN}.") from error
        if not (folder / MODEL).is_file() or sha256(folder / MODEL) != found.sha256:
            raise DataError(f"{folder / MODEL} is not the file that was measured. Delete {folder} to make it again.")
        return found


def measure(workshop: Workshop, choice: Choice, advance: Advance) -> Measured:
    """Make and measure a candidate, as far as that is not done already.

    Raises:
        DataError: a file of it is damaged.
        DivergedError, ExportError, NetworkError, ParityError, TrainError: it cannot be made.
    """
    folder = workshop.measured(choice.name)
    if (folder / CARD).is_file():
        return Measured.load(folder)
    float_file, about = _float_form(workshop, choice, advance)
    stages, config = workshop.stages, workshop.source.config
    taken = [stage for stage, quantised in zip(stages, choice.int8, strict=True) if quantised]
    if taken:
        left = [layer.name for stage in stages if stage not in taken for layer in stage.layers]
        content = encode_int8(float_file, workshop.calibration, in_float=left)
    else:
        content = compacted(float_file)
    write_bytes(folder / MODEL, content)
    found = Measured(
        name=choice.name,
        int8=tuple(stage.name for stage in taken),
        pruned={stage.name: share for stage, share in zip(stages, choice.pruned, strict=True) if share},
        accuracy={
            "validation": onnx_accuracy(
                folder / MODEL, workshop.source.images.validation, config.normalize, metric=workshop.source.metric
            )
        },
        metric=workshop.source.metric.name,
        bytes=len(content),
        latency_ms=milliseconds(folder / MODEL),
        sha256=sha256(folder / MODEL),
        device=processor_name(),
        **about,
    )
    found.save(folder)
    return found


def milliseconds(path: Path) -> float:
    """Of one image in ONNX Runtime on one CPU thread, to two digits."""
    return float(f"{min(onnx_milliseconds(path)):.{_DIGITS}g}")


def pruned_network(workshop: Workshop, choice: Choice) -> nn.Module:
    """The pruned network in eval mode, before it is fine-tuned, with batch norm's statistics renewed."""
    source = workshop.source
    with torch_threads(1):  # else its last bits would depend on the threads, and with them what goes on after a kill
        pruned = prune(source.network, workshop.stages, choice.pruned, workshop.example)
        return renew_statistics(pruned, torch.split(workshop.calibration, 128))


def _float_form(workshop: Workshop, choice: Choice, advance: Advance) -> tuple[bytes, dict[str, Any]]:
    """The float32 ONNX file of a pruned and fine-tuned network, layers by their names, and what it is."""
    home = workshop.training(choice.pruning)
    if not (home / _NETWORK).is_file():
        network = _trained(workshop, choice, advance) if any(choice.pruned) else workshop.source.network
        config, side = workshop.source.config, workshop.source.architecture.resolution
        images = config.normalize(_some_validation(workshop))
        content, difference = checked_onnx(network, images, config.metadata())
        write_bytes(home / MODEL, content)
        counted = count(network, side, workshop.source.architecture.in_channels)
        write_json(
            home / _NETWORK,
            {
                "flops": counted["flops"],
                "params": counted["params"],
                "max_difference": difference,
                "epochs": workshop.epochs if any(choice.pruned) else 0,
            },
        )
    return (home / MODEL).read_bytes(), json.loads((home / _NETWORK).read_text(encoding="utf-8"))


def _trained(workshop: Workshop, choice: Choice, advance: Advance) -> nn.Module:
    """The pruned network, taught for a few epochs by the one that it was made of; a killed training goes on."""
    source, epochs, home = workshop.source, workshop.epochs, workshop.training(choice.pruning)
    # Validation images stand in for the test split, which is looked at for the final table alone.
    unseen = replace(source.images, test=source.images.validation)
    recipe = replace(source.recipe, learning_rate=_GENTLE * source.recipe.learning_rate, schedule=None, warmup=None)
    shown = 0

    def on_epoch(report: EpochReport) -> None:
        nonlocal shown
        shown += 1
        advance(1, f"{choice.pruning}: {report.metric.spell(report.accuracy)}")

    network = pruned_network(workshop, choice)
    result = train_network(
        copy.deepcopy(network),
        recipe,
        unseen,
        _settings(workshop),
        folder=home,
        seed=source.run.seed,
        teaching=Teaching(network=copy.deepcopy(source.network), weight=source.run.final.distillation),
        device=workshop.device,
        threads=1,
        metric=source.metric,
        on_epoch=on_epoch,
    )
    advance(epochs - shown, choice.pruning)
    network.load_state_dict(load_file(result.weights))
    return network


def _settings(workshop: Workshop) -> TrainingSettings:
    """As in final training, but short: from a learning rate that falls at once, and to the end."""
    schedule = Schedule(epochs=workshop.epochs, warmup_epochs=0, kind="cosine")
    final = final_settings(workshop.source.run, images=len(workshop.source.images.train))
    return replace(final, schedule=schedule, ema_warmup=True)


def _some_validation(workshop: Workshop) -> torch.Tensor:
    split = workshop.source.images.validation
    return split.some(spread_over(split, _CHECKED))
