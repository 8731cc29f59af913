"""A network whose weights are there already, taken over as if it had been trained here: measured, ready for export."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save

from nars.errors import ConfigError
from nars.files.atomic import write_bytes
from nars.images import ImageData
from nars.metric import ACCURACY
from nars.network import build, read_start, start_from
from nars.recipe import Normalizer, check_metric, class_table, outputs, scores
from nars.run import Reporter, RunConfig, Silent, read_config
from nars.run.places import absolute
from nars.run.run import introduce, read_images
from nars.space import AnyArchitecture
from nars.studies.pairs import Pair
from nars.train import CHECKPOINT, RESULT, WEIGHTS, MemberResult, TrainedNetwork


def adopt(
    pair: Pair,
    weights: Path,
    *,
    config: str | Path | None = None,
    overrides: Mapping[str, Any] | None = None,
    reporter: Reporter | None = None,
) -> MemberResult:
    """Take a file of weights for the finished training of a network, such as timm's for a published FBNetV3.

    Its folder gets what `nars train` would leave there; `export_trained` goes on.

    Args:
        pair: the network, in its folder.
        weights: of this network and these classes, in all names and shapes.
        config: run configuration of the images on which it is measured; that of its run when None.
        overrides: dotted keys of it with new values.
        reporter: who is told.

    Raises:
        RecipeError: the metric does not go with the labels of the images.
        ConfigError: no images are known, the weights know other classes, or the network is trained already.
        NetworkError: they are of another network.
        DataError: the images are missing.
    """
    reporter = reporter or Silent()
    run = (read_config(config, overrides or {}) if config is not None else pair.given(overrides or {})).config
    images = read_images(run, resolution=pair.architecture.resolution, whole=True, reporter=reporter)
    check_metric(run.measured, multi_label=images.multi_label)
    introduce(images, reporter.say)
    architecture: AnyArchitecture = replace(
        pair.architecture, classes=len(images.classes), in_channels=images.in_channels
    )
    start = read_start(weights, in_channels=images.in_channels)
    network = build(architecture, seed=run.seed)
    if left := start_from(network, start):
        raise ConfigError(
            f"{weights} knows other classes than the {len(images.classes)} of {images.name} ({', '.join(left)}), so "
            f"that there is nothing to export yet; train from it: nars train {pair.place} --weights {weights}"
        )
    images = images.seen_by(architecture)
    if start.normalization is not None:
        mean, std = map(torch.tensor, start.normalization)
        images = replace(images, mean=mean, std=std)
    normalize = Normalizer(images.mean, images.std, device=torch.device("cpu"))
    validation, test = (outputs([network.eval()], part, normalize)[0] for part in (images.validation, images.test))
    measured, found = scores(validation, images.validation.labels), scores(test, images.test.labels)
    content = save({name: value.contiguous() for name, value in network.state_dict().items()})
    _refuse_other(pair.training, identity := hashlib.sha256(content).hexdigest()[:32])
    write_bytes(pair.training / WEIGHTS, content)
    result = MemberResult(
        test_accuracy=found[ACCURACY.name],
        validation_accuracy=measured[ACCURACY.name],
        metric=run.measured.name,
        validation_value=measured[run.measured.name],
        test_scores=found,
        test_classes=class_table(test, images.test.labels, images.classes),
        uses_ema=False,
        losses=(),
        curve=(),
        ema_curve=(),
        seconds=0.0,
        identity=identity,
        weights=pair.training / WEIGHTS,
    )
    result.save(pair.training / RESULT)
    _note(pair, architecture, run, images)
    reporter.say(f"{pair.name} has the weights of {weights}: {result.says}")
    return result


def _refuse_other(training: Path, identity: str) -> None:
    """Raises ConfigError where a folder holds a training, or other weights."""
    done = training / RESULT
    if (training / CHECKPOINT).exists() or (done.is_file() and MemberResult.load(done).identity != identity):
        raise ConfigError(
            f"{training} holds a training, or other weights; delete it, or copy the network's two files away"
        )


def _note(pair: Pair, architecture: AnyArchitecture, run: RunConfig, images: ImageData) -> None:
    """What the training's folder says of it."""
    about = TrainedNetwork(
        name=pair.name,
        architecture=architecture.to_dict(),
        recipe=pair.recipe.to_dict(),
        config=absolute(run).model_dump(mode="json"),
        images=images.fingerprint,
        classes=images.classes,
        mean=tuple(images.mean.tolist()),
        std=tuple(images.std.tolist()),
        taught_by="",
        multi_label=images.multi_label,
    )
    about.save(pair.training)
