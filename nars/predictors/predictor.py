"""FBNetV3's accuracy predictor (arXiv 2006.02049, section 3.2): pretrained on what is free, fitted on what is not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nars.errors import PredictorError
from nars.parallel import torch_threads
from nars.predictors.calibration import PAID_BY_PROCESS, best_share, conformal_stretch, to_percent
from nars.predictors.checks import Encoding, accuracies, matrix
from nars.predictors.fitting import fit_members
from nars.predictors.gaussian import ENCODING_SCALE, Process, fit_process
from nars.predictors.network import initial_layers, tell_accuracy, tell_statistics
from nars.predictors.results import JointPrediction, Prediction, PretrainingReport, StatisticError
from nars.predictors.settings import PredictorSettings
from nars.predictors.statistics import Scale, Statistics
from nars.predictors.training import Progress, descend, generator_of
from nars.predictors.warp import Warp
from nars.printing import brief_repr

_CHUNK = 1024
"""Candidates per matrix product: small enough for the activations to stay in cache."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Fit:
    """What accuracies taught, beside the weights."""

    __repr__ = brief_repr

    samples: int
    warp: Warp
    """From percent to what the networks and the process tell."""
    share: float
    """Of the ensemble in the prediction, 0 to 1; the process has the rest."""
    noise: float
    """Standard deviation of what the ensemble tells of samples it did not see; warped."""
    stretch: float
    """Factor on the standard deviations, so that 80 % intervals hold 80 % of the samples not seen (split conformal)."""
    process: Process | None


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
    fitted: Fit | None = None
    """None until fitted."""

    def __repr__(self) -> str:
        state = "not fitted" if self.fitted is None else f"fitted on {self.fitted.samples:,} samples"
        return (
            f"<Predictor of {self.architecture_width} + {self.recipe_width} columns (architecture + recipe), "
            f"{self.settings.members} networks, {'' if self.pretraining else 'not '}pretrained, {state}>"
        )

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
            weights=_initial(settings, architecture.shape[1], len(scale.names), seed=seed),
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
            return (tell_statistics(weights, x[indices]) - y[indices]).square().mean(dim=(1, 2)).sum()

        def on_epoch() -> None:
            nonlocal done
            done += 1
            if progress is not None:
                progress(done, settings.pretrain_epochs)

        batch = min(settings.pretrain_batch, max(16, cut // 16))
        with torch_threads(1):
            weights = descend(
                self.weights,
                loss,
                samples=len(x),
                trained=("encoder", "proxy"),
                epochs=settings.pretrain_epochs,
                batch=batch,
                rate=settings.pretrain_rate,
                weight_decay=settings.weight_decay,
                generator=generator_of(seed, stream=2),
                on_epoch=on_epoch,
            )
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
        n = len(accuracy)
        warp = Warp.of(accuracy) if self.settings.warp else Warp(centre=float(accuracy.mean()), unit=1.0)
        warped = warp.forward(accuracy)
        x_a, x_r = self._parts(encoding)
        process, share = None, 1.0
        with torch_threads(1):
            weights, blind = fit_members(self.weights, x_a, x_r, _tensor(warped), settings=self.settings, seed=seed)
            noise = max(float(np.sqrt(np.mean((blind - warped) ** 2))), 1e-6)
            variance = np.full(n, noise**2)
            if self.settings.process:
                z = self._told_statistics(x_a)
                inputs = _tensor(encoding) * ENCODING_SCALE
                process, left_out = fit_process(
                    z, inputs, _tensor(warped), _tensor(warp.slope(warped) ** 2), generator=generator_of(seed, stream=6)
                )
                share = best_share(blind, left_out.mean, warped)
                blind = share * blind + (1 - share) * left_out.mean
                variance = left_out.variance
        mean, std = to_percent(warp, blind, np.sqrt(variance))
        fitted = Fit(
            samples=n,
            warp=warp,
            share=share,
            noise=noise,
            process=process,
            stretch=conformal_stretch(accuracy, mean, std, paid=PAID_BY_PROCESS if process else 0.0),
        )
        return replace(self, weights={**self._pretrained_weights(), **weights}, fitted=fitted)

    def predict(self, encoding: Encoding) -> Prediction:
        """Accuracies of encoded candidates (N, Ea + Er) with their uncertainty, in percent.

        Raises:
            PredictorError: the predictor is not fitted yet, or the encoding is another space's.
        """
        fitted, (mean, std) = self._fit_or_raise(), self._warped(encoding, with_std=True)
        mean, std = to_percent(fitted.warp, mean, std)
        return Prediction(mean=mean, std=std * fitted.stretch)

    def predict_mean(self, encoding: Encoding) -> NDArray[np.float64]:
        """`predict(encoding).mean` (N,) alone, for searches: several times as fast with a process.

        Raises:
            PredictorError: as `predict`.
        """
        return self._fit_or_raise().warp.inverse(self._warped(encoding, with_std=False)[0])

    def predict_jointly(self, encoding: Encoding) -> JointPrediction:
        """Accuracies of encoded candidates (N, Ea + Er) with their covariance: a table of N x N, for up to thousands.

        The errors of an ensemble without a process count as independent but for what its members agree on.

        Raises:
            PredictorError: as `predict`.
        """
        fitted, (mean, std) = self._fit_or_raise(), self._warped(encoding, with_std=True)
        x = _tensor(matrix(encoding, self.architecture_width + self.recipe_width))
        x_a, x_r = x[:, : self.architecture_width], x[:, self.architecture_width :]
        with torch_threads(1), torch.inference_mode():
            if fitted.process is not None and fitted.share < 1:
                covariance = fitted.process.covariance(self._told_statistics(x_a), x * ENCODING_SCALE)
            else:
                told = torch.cov(tell_accuracy(self.weights, x_a, x_r).T, correction=0)
                covariance = told.reshape(len(x), len(x)) + fitted.noise**2 * torch.eye(len(x))
        percent, percent_std = to_percent(fitted.warp, mean, std)
        slope = fitted.stretch * percent_std / std
        return JointPrediction(mean=percent, covariance=covariance.double().numpy() * np.outer(slope, slope))

    def _fit_or_raise(self) -> Fit:
        if self.fitted is None:
            raise PredictorError("this predictor has seen no accuracies yet; call fit(encoding, accuracy, seed=...)")
        return self.fitted

    def _warped(self, encoding: Encoding, *, with_std: bool) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean and standard deviation (0 unless asked for), both (N,), on the warped scale."""
        fitted = self._fit_or_raise()
        encoding = matrix(encoding, self.architecture_width + self.recipe_width)
        mean, variance = np.empty(len(encoding)), np.zeros(len(encoding))
        with torch_threads(1), torch.inference_mode():
            scratch = fitted.process.scratch(min(_CHUNK, len(encoding))) if fitted.process else torch.empty(0)
            for start in range(0, len(encoding), _CHUNK):
                x = _tensor(encoding[start : start + _CHUNK])
                here = slice(start, start + len(x))
                x_a, x_r = x[:, : self.architecture_width], x[:, self.architecture_width :]
                told = torch.zeros(len(x))
                if fitted.share > 0:
                    members = tell_accuracy(self.weights, x_a, x_r)
                    told = members.mean(dim=0)
                    if with_std:
                        variance[here] = members.var(dim=0, correction=0).numpy() + fitted.noise**2
                if fitted.process is not None and fitted.share < 1:
                    z = self._told_statistics(x_a)
                    inputs = x * ENCODING_SCALE
                    told = fitted.share * told + (1 - fitted.share) * fitted.process.mean(z, inputs, scratch)
                    if with_std:
                        relative = _tensor(fitted.warp.slope(told.double().numpy()) ** 2)
                        variance[here] = fitted.process.variance(z, inputs, relative).numpy()
                mean[here] = told.numpy()
        return mean, np.sqrt(variance)

    def _pretrained_weights(self) -> dict[str, Tensor]:
        return {name: value for name, value in self.weights.items() if name.startswith(("encoder", "proxy"))}

    def _told_statistics(self, x_a: Tensor) -> Tensor:
        """Standardised statistics (N, S) of encoded architectures, mean over the members; S = 0 without pretraining."""
        if self.pretraining is None:
            return x_a.new_zeros((len(x_a), 0))
        return tell_statistics(self._tellers(), x_a).mean(dim=0)

    def _tellers(self) -> dict[str, Tensor]:
        """Two members tell the statistics as well as all, in a fraction of the time."""
        return {name: value[:2] for name, value in self._pretrained_weights().items()}

    def predict_statistics(self, architecture: Encoding) -> dict[str, NDArray[np.float64]]:
        """The proxy head's opinion on encoded architectures (N, Ea), in natural units, {name: (N,)}."""
        architecture = matrix(architecture, self.architecture_width)
        with torch_threads(1), torch.inference_mode():
            standard = [
                tell_statistics(self._tellers(), part).mean(dim=0).numpy()
                for part in torch.split(_tensor(architecture), _CHUNK)
            ]
        return self.scale.restore(np.concatenate(standard))

    def _parts(self, encoding: Encoding) -> tuple[Tensor, Tensor]:
        x = _tensor(encoding)
        return x[:, : self.architecture_width], x[:, self.architecture_width :]


def _initial(settings: PredictorSettings, architecture_width: int, statistics: int, *, seed: int) -> dict[str, Tensor]:
    generator = generator_of(seed, stream=0)
    weights: dict[str, Tensor] = {}
    if architecture_width:
        widths = (architecture_width, *settings.hidden, settings.embedding)
        weights |= initial_layers("encoder", widths, members=settings.members, generator=generator)
        if statistics:
            widths = (settings.embedding, statistics)
            weights |= initial_layers("proxy", widths, members=settings.members, generator=generator)
    return weights


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
