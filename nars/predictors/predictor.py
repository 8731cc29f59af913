"""FBNetV3's accuracy predictor (arXiv 2006.02049, section 3.2): pretrained on what is free, fitted on what is not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nars.arrays import Floats, Floats32
from nars.errors import PredictorError
from nars.metric import ACCURACY, Metric
from nars.parallel import one_blas_thread
from nars.predictors.calibration import PAID_BY_PROCESS, conformal_stretch, to_percent
from nars.predictors.checks import Numbers, accuracies, matrix, reined
from nars.predictors.failures import Failures
from nars.predictors.fit import Fit, Read, relative_noise
from nars.predictors.network import Layers, apply_layers, layers_of, with_ones
from nars.predictors.regressor import JointPrediction, Prediction, PretrainingReport, StatisticError
from nars.predictors.settings import PRESETS, PredictorSettings
from nars.predictors.sources import Source
from nars.predictors.statistics import Scale, Statistics, choices_of, free_statistics
from nars.predictors.warp import Warp
from nars.space import Population, Space

_CHUNK = 256
"""Candidates per matrix product: small enough for what comes out to stay in cache."""
_FEWEST = 10
"""Architectures without which nothing is pretrained."""
_READERS = 2
"""Members that predict the statistics: two do it as well as all, in a fraction of the time."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Predictor:
    """Architecture encoder, proxy head and accuracy head. Immutable: `fit` returns a new one.

    Made by `Predictor.pretrained` or `load_predictor`. Predictions need NumPy alone; torch is loaded when
    something is trained.
    """

    settings: PredictorSettings
    architecture_width: int
    recipe_width: int
    weights: Mapping[str, Floats32]
    """As in `nars.predictors.network`."""
    scale: Scale
    """Names of the statistics that the encoder is pretrained on."""
    choices: tuple[int, ...] | None = None
    """For each column of the encoding the number of its choice; None where each column is a choice of its own."""
    sources: tuple[Source, ...] = ()
    """Predictors of other data sets, that it starts from."""
    metric: Metric = ACCURACY
    """What it predicts, as it is measured; whoever looks for the best compares scores."""
    pretraining: PretrainingReport | None = None
    """None for an encoder with random weights."""
    fitted: Fit | None = None
    """None until fitted."""
    failures: Failures | None = None
    """Who is likely to fail, as trainings that failed say it; None where none did, or nobody can tell why."""

    def __repr__(self) -> str:
        state = "not fitted" if self.fitted is None else f"fitted on {self.fitted.samples:,} samples"
        if self.fitted is not None and self.fitted.converged is False:
            state += ", its process not to the end"
        return (
            f"<Predictor of {self.architecture_width} + {self.recipe_width} columns (architecture + recipe), "
            f"{self.settings.members} networks, {'' if self.pretraining else 'not '}pretrained, {state}>"
        )

    @staticmethod
    def pretrained(
        space: Space,
        X: Population,
        *,
        seed: int,
        settings: PredictorSettings = PRESETS["default"],
        statistics: Statistics | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> Predictor:
        """`pretrain` on a pool X (N, D) of a space, and on its `free_statistics` unless others are given."""
        return Predictor.pretrain(
            space.encode(X)[:, : space.architecture_width],
            free_statistics(space, X) if statistics is None else statistics,
            recipe_width=space.recipe_width,
            choices=choices_of(space),
            settings=settings,
            seed=seed,
            progress=progress,
        )

    @staticmethod
    def pretrain(
        architecture: Numbers,
        statistics: Statistics,
        *,
        recipe_width: int,
        choices: tuple[int, ...] | None = None,
        settings: PredictorSettings,
        seed: int,
        progress: Callable[[int, int], None] | None = None,
    ) -> Predictor:
        """Stage 1: an encoder that predicts free statistics of an architecture, on 80 % of a pool; 20 % validate.

        Without architecture columns (a recipe-only space), without statistics or with 0 epochs there is nothing to
        learn: the predictor comes back with random weights, and `pretraining` None.

        Args:
            architecture: encoded architectures of the pool (N, Ea), the first `space.architecture_width` columns.
            statistics: {name: (N,)}, e.g. `nars.predictors.free_statistics(space, X)`.
            recipe_width: columns of the recipe's encoding, `space.recipe_width`.
            choices: for each column of the encoding the number of its choice, (Ea + Er,); columns of one choice share
                a length scale of the process.
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
        from nars.predictors.pretraining import encoded_statistics, initial_weights, train_encoder  # torch

        width, scale = architecture.shape[1], Scale.of(statistics if architecture.shape[1] else {})
        weights = initial_weights(settings, architecture_width=width, statistics=len(scale.names), seed=seed)
        made = Predictor(
            settings=settings,
            architecture_width=width,
            recipe_width=recipe_width,
            weights=weights,
            scale=scale,
            choices=choices,
        )
        if not scale.names or settings.pretrain_epochs == 0 or len(architecture) < _FEWEST:
            return made
        targets = scale.standardize(statistics)
        order = np.random.default_rng([seed, 1]).permutation(len(architecture))
        train, held_out = np.split(order, [len(order) * 4 // 5])  # 80 / 20, section 3.3
        weights = train_encoder(
            weights, architecture[train], targets[train], settings=settings, seed=seed, progress=progress
        )
        truth = scale.restore(targets[held_out])
        predicted = scale.restore(encoded_statistics(weights, architecture[held_out], members=_READERS))
        errors = {name: _error(predicted[name], truth[name], np.asarray(statistics[name])) for name in scale.names}
        report = PretrainingReport(
            train=len(train), validation=len(held_out), epochs=settings.pretrain_epochs, errors=errors
        )
        return replace(made, weights=weights, pretraining=report)

    def inputs(self, space: Space, X: Population) -> Floats32:
        """What it reads of candidates X (N, D): their encoding and, where it was pretrained on them, their exact
        statistics, standardized, then what each source says of them: (N, Ea + Er + S + K).

        Args:
            space: that it was made for.
            X: candidates (N, D).

        Raises:
            PredictorError: a source has nothing in common with the space.
        """
        parts = [space.encode(X)]
        exact = self.settings.process and (self.fitted is None or self.fitted.exact)
        if self.pretraining is not None and (exact or self.sources):
            statistics = free_statistics(space, X)
            known = set(self.scale.names) <= statistics.keys()  # a space may know fewer costs than the pretraining did
            parts.append(self.scale.standardize(statistics) if known else self._statistics(parts[0]))
        parts += [self.metric.score(source.scores(space, X))[:, None] for source in self.sources]
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1, dtype=np.float32)

    def prior_scores(self, inputs: Numbers) -> Floats | None:
        """What the sources alone say of candidates, as for `fit`, before there is a sample: (N,), more being better,
        without a unit; None without sources."""
        if not self.sources:
            return None
        told = self._columns(inputs)[:, -len(self.sources) :].astype(np.float64)
        spread = np.maximum(told.std(axis=0), 1e-9)
        return np.asarray(self.metric.score(((told - told.mean(axis=0)) / spread).mean(axis=1)))

    def fit(self, inputs: Numbers, accuracy: Numbers, *, seed: int) -> Predictor:
        """A new predictor, fitted on accuracies; always from the pretrained weights, never from an earlier fit.

        Huber loss; `frozen_epochs` with the encoder frozen, then `joint_epochs` of everything at a reduced rate (paper,
        section 3.4 and eq. 2). The default preset stacks the ensemble with two Gaussian processes, one with and one
        without the statistics, by what each says of samples that it did not see.

        Args:
            inputs: candidates as `inputs` reads them (n, Ea + Er + S), or encoded only (n, Ea + Er): statistics are
                then what the encoder predicts.
            accuracy: their accuracies (n,), percent.
            seed: of the accuracy head's weights and the order of samples.

        Raises:
            PredictorError: shapes disagree, or an accuracy is not finite (a failed training is not a sample).
        """
        columns = self._columns(inputs)
        labels = self.metric.score(reined(self.metric.score(accuracies(accuracy, len(columns)))))
        with one_blas_thread():
            read = self._read(columns)
        from scipy.special import inv_boxcox1p as unbend

        from nars.predictors.fitting import fit_members  # torch
        from nars.predictors.stacking import stack

        warp = Warp.of(labels) if self.settings.warp else Warp(centre=float(labels.mean()), unit=1.0)
        warped = warp.forward(labels)
        both = np.split(read.x, [self.architecture_width], axis=1)
        weights, blind = fit_members(self.weights, both[0], both[1], warped, settings=self.settings, seed=seed)
        noise = max(float(np.sqrt(np.mean((blind - warped) ** 2))), 1e-6)
        exact = columns.shape[1] - len(self.sources) > read.x.shape[1]
        fitted = Fit(samples=len(labels), warp=warp, shares=(1.0,), noise=noise, stretch=1.0, exact=exact)
        left_out, variance = blind, np.full(len(labels), noise**2)
        if self.settings.process:
            relative = relative_noise(warp, warped, unbend)
            fitted, left_out, variance = stack(fitted, read, warped, relative, blind, self._choices, seed=seed)
        mean, std = to_percent(warp, left_out, np.sqrt(variance), unbend)
        paid = PAID_BY_PROCESS if fitted.processes else 0.0
        fitted = replace(fitted, stretch=conformal_stretch(labels, mean, std, paid=paid))
        pretrained = {name: value for name, value in self.weights.items() if name.startswith(("encoder", "proxy"))}
        return replace(self, weights={**pretrained, **weights}, fitted=fitted)

    def predict(self, inputs: Numbers) -> Prediction:
        """Accuracies of candidates, as for `fit`, with their uncertainty, in percent.

        Raises:
            PredictorError: the predictor is not fitted yet, or the columns are another space's.
        """
        fitted, (mean, std) = self._fit_or_raise(), self.latent(inputs)
        mean, std = to_percent(fitted.warp, mean, std)
        return Prediction(mean=mean, std=std * fitted.stretch)

    def predict_mean(self, inputs: Numbers) -> Floats:
        """`predict(inputs).mean` (N,) alone, for searches: several times as fast with a process.

        Raises:
            PredictorError: as `predict`.
        """
        return self._fit_or_raise().warp.inverse(self.latent(inputs, with_std=False)[0])

    def latent(self, inputs: Numbers, *, with_std: bool = True) -> tuple[Floats, Floats]:
        """Mean and standard deviation (0 unless asked for), both (N,), on the scale on which it learns: `Fit.warp`.

        Raises:
            PredictorError: as `predict`.
        """
        fitted = self._fit_or_raise()
        everything = self._columns(inputs)
        mean, variance = np.zeros(len(everything)), np.zeros(len(everything))
        scratch = fitted.processes[0].scratch(min(_CHUNK, len(mean))) if fitted.processes else None
        with one_blas_thread():
            for part, middle, spread in zip(_chunks(everything), _chunks(mean), _chunks(variance), strict=True):
                read = self._read(part)
                members = self._members(read.x) if fitted.share > 0 else None
                middle[:], spread[:] = fitted.latent(read, members, scratch, with_std=with_std)
        return mean, np.sqrt(variance)

    def latent_covariance(self, inputs: Numbers) -> Floats:
        """Covariance (N, N) of the true values on that scale, without the noise of measuring: for up to thousands.

        Raises:
            PredictorError: as `predict`.
        """
        fitted = self._fit_or_raise()
        read = self._read(self._columns(inputs))
        with one_blas_thread():
            return fitted.covariance(read, self._members(read.x) if fitted.share > 0 else None)

    def predict_jointly(self, inputs: Numbers) -> JointPrediction:
        """Accuracies of candidates, as for `fit`, with their covariance: a table of N x N, for up to thousands.

        The errors of an ensemble without a process count as independent but for what its members agree on, and all of
        them count as noise of a single training too, which it cannot tell apart: at most so much.

        Raises:
            PredictorError: as `predict`.
        """
        fitted, (mean, std) = self._fit_or_raise(), self.latent(inputs)
        noise, covariance = fitted.measuring(mean), self.latent_covariance(inputs)
        percent, percent_std = to_percent(fitted.warp, mean, std)
        slope = fitted.stretch * percent_std / std
        return JointPrediction(mean=percent, covariance=covariance * np.outer(slope, slope), noise=noise * slope)

    def predict_statistics(self, architecture: Numbers) -> dict[str, Floats]:
        """What the proxy head predicts of encoded architectures (N, Ea), in natural units, {name: (N,)}."""
        x = _float32(matrix(architecture, self.architecture_width))
        with one_blas_thread():
            return self.scale.restore(np.concatenate([self._statistics(part) for part in _chunks(x)]))

    @property
    def best_seen(self) -> float | None:
        """The best value among those that it was fitted to; None where it is not kept: before a fit, of fewer than ten
        samples, and of the preset `paper`."""
        if self.fitted is None:
            return None
        warp = self.fitted.warp
        end = warp.high if self.metric.maximized else warp.low
        return float(warp.inverse(np.array([end]))[0]) if np.isfinite(end) else None

    def _fit_or_raise(self) -> Fit:
        if self.fitted is None:
            raise PredictorError("this predictor has seen no accuracies yet; call fit(encoding, accuracy, seed=...)")
        return self.fitted

    @property
    def _choices(self) -> tuple[int, ...]:
        width = self.architecture_width + self.recipe_width
        return tuple(range(width)) if self.choices is None else self.choices

    def _columns(self, inputs: Numbers) -> Floats32:
        inputs = np.asarray(inputs)
        width, told = self.architecture_width + self.recipe_width, len(self.sources)
        wider = width + (len(self.scale.names) if self.pretraining is not None else 0) + told
        wide = inputs.ndim == 2 and inputs.shape[1] == wider
        return _float32(matrix(inputs, wider if wide or told else width))

    def _read(self, columns: Floats32) -> Read:
        width, told = self.architecture_width + self.recipe_width, len(self.sources)
        x, z, said = np.split(columns, [width, columns.shape[1] - told], axis=1)
        if self.settings.process and self.pretraining is not None and not z.shape[1]:
            z = self._statistics(x)
        return Read(x=x, z=z, told=said)

    def _members(self, x: Floats32) -> Floats32:
        """What each member predicts of encoded candidates (N, Ea + Er), (M, N)."""
        architecture, recipe = np.split(x, [self.architecture_width], axis=1)
        if not self.architecture_width:
            return apply_layers(self._layers["accuracy"], with_ones(recipe))[..., 0]
        embedding = apply_layers(self._layers["tuned"], with_ones(architecture))
        return apply_layers(self._layers["accuracy"], with_ones(embedding, recipe))[..., 0]

    def _statistics(self, x: Floats32) -> Floats32:
        """Standardized statistics (N, S) of encoded candidates (N, >= Ea); S = 0 without pretraining."""
        if self.pretraining is None:
            return np.zeros((len(x), 0), dtype=np.float32)
        embedding = apply_layers(self._layers["encoder"], with_ones(x[:, : self.architecture_width]))
        return np.asarray(apply_layers(self._layers["proxy"], with_ones(embedding)).mean(axis=0))

    @cached_property
    def _layers(self) -> Mapping[str, Layers]:
        """By part, ready to be multiplied with; a search asks for them hundreds of times."""
        members = {"encoder": _READERS, "proxy": _READERS, "tuned": None, "accuracy": None}
        return {part: layers_of(part, self.weights, members=count) for part, count in members.items()}


def _error(predicted: Floats, truth: Floats, everywhere: Numbers) -> StatisticError:
    """Relative to what a statistic is where it is held out, or everywhere if that is more: it may be rare."""
    absolute = float(np.mean(np.abs(predicted - truth)))
    constant = np.ptp(predicted) == 0 or np.ptp(truth) == 0
    return StatisticError(
        absolute=absolute,
        relative=absolute / max(float(np.mean(np.abs(truth))), float(np.mean(np.abs(everywhere)))),
        correlation=0.0 if constant else float(np.corrcoef(predicted, truth)[0, 1]),
    )


def _float32(values: Numbers) -> Floats32:
    return np.asarray(values, dtype=np.float32)


def _chunks(values: NDArray[Any]) -> list[NDArray[Any]]:
    """Views of the rows, `_CHUNK` at a time."""
    return [values[start : start + _CHUNK] for start in range(0, len(values), _CHUNK)]
