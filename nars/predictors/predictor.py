"""FBNetV3's accuracy predictor (arXiv 2006.02049, section 3.2): pretrained on what is free, fitted on what is not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import huber_loss

from nars.predictors.checks import Encoding, accuracies, matrix
from nars.predictors.errors import PredictorError
from nars.predictors.network import apply_layers, embed, initial_layers, predict_accuracy
from nars.predictors.results import Prediction, PretrainingReport, StatisticError
from nars.predictors.settings import PredictorSettings
from nars.predictors.statistics import Scale, Statistics
from nars.predictors.threads import single_thread
from nars.predictors.training import Progress, descend, generator_of

_CHUNK = 4096
"""Candidates per matrix product: small enough for the activations to stay in cache."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """Accuracy in percent = output x scale + offset."""

    offset: float
    scale: float
    noise: float
    """Standard deviation of what the fit leaves over, percent."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Predictor:
    """Architecture encoder, proxy head and accuracy head. Immutable: `fit` returns a new one.

    Made by `Predictor.pretrain` or `Predictor.load`.
    """

    settings: PredictorSettings
    architecture_width: int
    recipe_width: int
    weights: Mapping[str, Tensor]
    scale: Scale
    """Of the statistics that the encoder is pretrained on."""
    pretraining: PretrainingReport | None = None
    """None for an encoder with random weights."""
    target: Target | None = None
    """None until fitted."""
    samples: int = 0
    """Number of accuracies fitted on."""

    @staticmethod
    def pretrain(
        architecture: Encoding,
        statistics: Statistics,
        *,
        recipe_width: int,
        settings: PredictorSettings,
        seed: int,
        progress: Progress | None = None,
    ) -> Predictor:
        """Stage 1: an encoder that tells the free statistics of an architecture, on 80 % of a pool; 20 % validate.

        Without architecture columns (a recipe-only space), without statistics or with 0 epochs there is nothing to
        learn: the predictor comes back with random weights, and `pretraining` None.

        Args:
            architecture: encoded architectures of the pool (N, Ea), the first `space.architecture_width` columns.
            statistics: {name: (N,)}, e.g. `nars.predictors.free_statistics(space, X)`.
            recipe_width: columns of the recipe's encoding, `space.recipe_width`.
            settings: `PRESETS["default"]`, `PRESETS["paper"]` or your own.
            seed: of weights, split and order.
            progress: called with (epochs done, epochs in all).

        Raises:
            PredictorError: shapes disagree, or a value is not finite.
        """
        architecture = matrix(architecture, None)
        for name, values in statistics.items():
            if np.shape(values) != (len(architecture),):
                raise PredictorError(
                    f"a statistic has one value per architecture: {name!r} has shape {np.shape(values)}, there are "
                    f"{len(architecture)} architectures"
                )
        scale = Scale.of(statistics if architecture.shape[1] else {})
        predictor = Predictor(
            settings=settings,
            architecture_width=architecture.shape[1],
            recipe_width=recipe_width,
            weights=_initial(settings, architecture.shape[1], recipe_width, len(scale.names), seed=seed),
            scale=scale,
        )
        if not scale.names or settings.pretrain_epochs == 0 or len(architecture) < 10:
            return predictor
        return predictor._pretrained(architecture, scale.standardise(statistics), seed=seed, progress=progress)

    def _pretrained(
        self, architecture: Encoding, targets: Encoding, *, seed: int, progress: Progress | None
    ) -> Predictor:
        settings = self.settings
        order = np.random.default_rng([seed, 1]).permutation(len(architecture))
        cut = len(order) * 4 // 5  # 80 / 20, section 3.3
        train, held_out = order[:cut], order[cut:]
        x, y = _tensor(architecture[train]), _tensor(targets[train])
        done = 0

        def loss(weights: Mapping[str, Tensor], indices: Tensor) -> Tensor:
            predicted = apply_layers("proxy", weights, embed(weights, x[indices]))
            return (predicted - y[indices]).square().mean(dim=(1, 2)).sum()

        def on_epoch() -> None:
            nonlocal done
            done += 1
            if progress is not None:
                progress(done, settings.pretrain_epochs)

        with single_thread():
            weights = descend(
                self.weights, loss, samples=len(x), trainable=lambda name: name.startswith(("encoder", "proxy")),
                epochs=settings.pretrain_epochs, batch=settings.pretrain_batch, rate=settings.pretrain_rate,
                weight_decay=settings.weight_decay, generator=generator_of(seed, stream=2), on_epoch=on_epoch,
            )  # fmt: skip
        trained = replace(self, weights=weights)
        truth = self.scale.restore(targets[held_out])
        predicted = trained.predict_statistics(architecture[held_out])
        errors = {name: _error(predicted[name], truth[name]) for name in self.scale.names}
        report = PretrainingReport(
            train=len(train), validation=len(held_out), epochs=settings.pretrain_epochs, errors=errors
        )
        return replace(trained, pretraining=report)

    def fit(self, encoding: Encoding, accuracy: NDArray[np.floating[Any]], *, seed: int) -> Predictor:
        """A new predictor, fitted on accuracies; always from the pretrained weights, never from an earlier fit.

        Huber loss; `frozen_epochs` with the encoder frozen, then `joint_epochs` of everything at a reduced rate (paper,
        section 3.4 and eq. 2).

        Args:
            encoding: encoded candidates (n, Ea + Er), `space.encode(X)`.
            accuracy: their accuracies (n,), percent.
            seed: of the accuracy head's weights and the order of samples.

        Raises:
            PredictorError: shapes disagree, or an accuracy is not finite (a failed training is not a sample).
        """
        encoding = matrix(encoding, self.architecture_width + self.recipe_width)
        accuracy = accuracies(accuracy, len(encoding))
        settings = self.settings
        deviation = float(accuracy.std())
        unit = deviation if settings.standardise and deviation > 0 else 1.0
        offset = float(accuracy.mean())
        x_a, x_r = self._parts(encoding)
        y = _tensor((accuracy - offset) / unit)

        def loss(weights: Mapping[str, Tensor], indices: Tensor) -> Tensor:
            embedding = embed(weights, x_a[indices]) if self.architecture_width else None
            output = predict_accuracy(weights, embedding, x_r[indices])
            errors = huber_loss(output, y[indices].expand_as(output), reduction="none", delta=settings.huber_delta)
            return errors.mean(dim=1).sum()

        weights = {name: value for name, value in self.weights.items() if not name.startswith("accuracy")}
        weights |= _initial_head(settings, self.architecture_width, self.recipe_width, generator_of(seed, stream=3))
        order = generator_of(seed, stream=4)
        with single_thread():
            weights = descend(
                weights, loss, samples=len(y), trainable=lambda name: name.startswith("accuracy"),
                epochs=settings.frozen_epochs, batch=settings.batch, rate=settings.frozen_rate,
                weight_decay=settings.weight_decay, generator=order,
            )  # fmt: skip
            weights = descend(
                weights, loss, samples=len(y), trainable=lambda name: name.startswith(("accuracy", "encoder")),
                epochs=settings.joint_epochs, batch=settings.batch, rate=settings.joint_rate,
                weight_decay=settings.weight_decay, generator=order,
            )  # fmt: skip
        fitted = replace(
            self, weights=weights, target=Target(offset=offset, scale=unit, noise=0.0), samples=len(accuracy)
        )
        left_over = fitted.predict(encoding).mean - accuracy
        noise = float(np.sqrt(np.mean(left_over**2)))
        return replace(fitted, target=Target(offset=offset, scale=unit, noise=max(noise, 1e-6)))

    def predict(self, encoding: Encoding) -> Prediction:
        """Accuracies of encoded candidates (N, Ea + Er), in percent.

        Raises:
            PredictorError: the predictor is not fitted yet, or the encoding is another space's.
        """
        if self.target is None:
            raise PredictorError("this predictor has seen no accuracies yet; call fit(encoding, accuracy, seed=...)")
        encoding = matrix(encoding, self.architecture_width + self.recipe_width)
        mean, variance = np.empty(len(encoding)), np.empty(len(encoding))
        with single_thread(), torch.inference_mode():
            for start in range(0, len(encoding), _CHUNK):
                x_a, x_r = self._parts(encoding[start : start + _CHUNK])
                embedding = embed(self.weights, x_a) if self.architecture_width else None
                output = predict_accuracy(self.weights, embedding, x_r)
                here = slice(start, start + len(x_a))
                mean[here] = output.mean(dim=0).numpy()
                variance[here] = output.var(dim=0, correction=0).numpy()
        scale = self.target.scale
        return Prediction(
            mean=mean * scale + self.target.offset, std=np.sqrt(variance * scale**2 + self.target.noise**2)
        )

    def predict_statistics(self, architecture: Encoding) -> dict[str, NDArray[np.float64]]:
        """The proxy head's opinion on encoded architectures (N, Ea), in natural units, {name: (N,)}."""
        architecture = matrix(architecture, self.architecture_width)
        with single_thread(), torch.inference_mode():
            x = _tensor(architecture)
            standard = [
                apply_layers("proxy", self.weights, embed(self.weights, part)).mean(dim=0).numpy()
                for part in torch.split(x, _CHUNK)
            ]
        return self.scale.restore(np.concatenate(standard))

    def _parts(self, encoding: Encoding) -> tuple[Tensor, Tensor]:
        x = _tensor(encoding)
        return x[:, : self.architecture_width], x[:, self.architecture_width :]


def _initial(
    settings: PredictorSettings, architecture_width: int, recipe_width: int, statistics: int, *, seed: int
) -> dict[str, Tensor]:
    generator = generator_of(seed, stream=0)
    weights: dict[str, Tensor] = {}
    if architecture_width:
        widths = (architecture_width, *settings.hidden, settings.embedding)
        weights |= initial_layers("encoder", widths, members=settings.members, generator=generator)
        if statistics:
            widths = (settings.embedding, statistics)
            weights |= initial_layers("proxy", widths, members=settings.members, generator=generator)
    return weights | _initial_head(settings, architecture_width, recipe_width, generator)


def _initial_head(
    settings: PredictorSettings, architecture_width: int, recipe_width: int, generator: torch.Generator
) -> dict[str, Tensor]:
    wide_in = (settings.embedding if architecture_width else 0) + recipe_width
    return initial_layers("accuracy", (wide_in, settings.head, 1), members=settings.members, generator=generator)


def _error(predicted: NDArray[np.float64], truth: NDArray[np.float64]) -> StatisticError:
    absolute = float(np.mean(np.abs(predicted - truth)))
    constant = np.ptp(predicted) == 0 or np.ptp(truth) == 0
    return StatisticError(
        absolute=absolute,
        relative=absolute / float(np.mean(np.abs(truth))),
        correlation=0.0 if constant else float(np.corrcoef(predicted, truth)[0, 1]),
    )


def _tensor(values: NDArray[np.floating[Any]]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))
