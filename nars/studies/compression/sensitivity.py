"""What each stage alone brings and costs, measured; from that, quick estimates of any candidate.

They decide what is tried and nothing else: what is tried is measured as it is.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch

from nars.arrays import Floats, Ints
from nars.errors import DataError
from nars.files.sealed import read_sealed, write_sealed
from nars.network import NetworkStage, network_stages
from nars.printing import brief_repr
from nars.recipe import Normalizer, evaluate
from nars.space import Population, Space
from nars.studies.compression.choices import SHARES, Choice, choices_space, spelled
from nars.studies.compression.measuring import Measured, measure, pruned_network
from nars.studies.compression.workshop import AGAIN, Workshop

_FILE = "sensitivity.json"
_FORGIVEN = 0.3
"""Share of the loss by pruning that is left after fine-tuning, before any has been seen."""
_LEAST_LEFT = 0.02
_NOISE = 0.5
"""Points (`Source.point`) that the metric changes by without a reason."""
_WELL, _STEP = 2.0, 2.0
"""What has lost so few points after fine-tuning may be followed by what loses twice as much before it."""
_MOVED = 0.5
"""Share of a network's time that follows its multiply-accumulates; the rest is there whatever it computes."""
_FLOAT, _INT8, _SCALE = 4, 1, 4
"""Bytes of a weight, of a quantised one, and of a channel's scale."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Estimates:
    """Score, bytes and latency of candidates from what single stages do; a `CostTable`."""

    __repr__ = brief_repr

    stages: tuple[NetworkStage, ...]
    space: Space
    whole: Measured
    """The float32 network as it is."""
    lost: Floats
    """(S, shares) by how much pruning one stage makes it worse before fine-tuning, in the metric's unit."""
    left: Floats
    """(S, shares, L, 2) shares of each layer's output and input channels that are left then."""
    quantised: tuple[Measured, ...]
    """(S,) the whole network with one stage in int8."""
    remaining: float = _FORGIVEN
    """Share of `lost` that remains after fine-tuning."""
    farthest: float = np.inf
    """The `pruning_loss` up to which that is likely to hold."""
    point: float = 1.0
    """What is worth a percentage point, in the metric's unit."""

    @property
    def names(self) -> tuple[str, ...]:
        """Of the costs."""
        return "bytes", "ms"

    @cached_property
    def fingerprint(self) -> str:
        """Hash of all that is measured."""
        content = [self.lost.tolist(), self.left.tolist(), [self.whole.sha256, *(one.sha256 for one in self.quantised)]]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]

    def lookup(self, X: Population) -> dict[str, Floats]:
        """Bytes and milliseconds, (N,)."""
        bits, shares = spelled(self.stages, self.space, X)
        weights, channels = self._sizes(shares)
        quantised = bits[:, self._stage_of]  # (N, L)
        plain = np.where(quantised, _INT8 * weights + _SCALE * channels, _FLOAT * weights).sum(axis=1)
        work = self._by_stage(weights * self._positions) / self._by_stage(self._whole_sizes * self._positions)
        share = self._by_stage(self._whole_sizes * self._positions)
        moved = self.whole.latency_ms * _MOVED * ((1 - work) * share / share.sum()).sum(axis=1)
        slower = np.array([one.latency_ms - self.whole.latency_ms for one in self.quantised])
        ms = np.maximum(self.whole.latency_ms - moved + bits @ slower, self.whole.latency_ms / 10)
        return {"bytes": self._rest[0] + bits @ self._rest[1] + plain, "ms": ms}

    def scores(self, X: Population) -> Floats:
        """On validation images, in the metric's unit and such that more is better, (N,)."""
        bits, shares = spelled(self.stages, self.space, X)
        reference = self.whole.score
        rounded = np.array([max(0.0, reference - one.score) for one in self.quantised])
        return np.asarray(reference - self.remaining * self.pruning_loss(shares) - bits @ rounded)

    def pruning_loss(self, shares: Ints) -> Floats:
        """What it costs before fine-tuning, in the metric's unit, (N,), by the numbers of the stages' shares (N, S)."""
        return np.asarray(self.lost[np.arange(len(self.stages)), shares].sum(axis=1))

    @cached_property
    def _rest(self) -> tuple[float, Floats]:
        """Bytes that are no weights: of any file, and of each stage (S,) that is quantised."""
        number = len(self.stages)
        whole = self._whole_sizes.sum() * _FLOAT
        channels = np.array([layer.shape[0] for stage in self.stages for layer in stage.layers])
        saved = self._by_stage((_FLOAT - _INT8) * self._whole_sizes - _SCALE * channels)[0]
        each = np.array([one.bytes for one in self.quantised]) - self.whole.bytes + saved
        assert each.shape == (number,)
        return self.whole.bytes - float(whole), each

    @cached_property
    def _stage_of(self) -> Ints:
        """Number of each layer's stage, (L,)."""
        return np.repeat(np.arange(len(self.stages)), [len(stage.layers) for stage in self.stages])

    @cached_property
    def _positions(self) -> Floats:
        return np.array([float(layer.positions) for stage in self.stages for layer in stage.layers])

    @cached_property
    def _whole_sizes(self) -> Floats:
        """Weights of each layer as it is, (1, L)."""
        return self._sizes(np.zeros((1, len(self.stages)), dtype=np.int64))[0]

    def _sizes(self, shares: Ints) -> tuple[Floats, Floats]:
        """Weights and output channels of each layer, (N, L) both.

        Exact: every channel belongs to one stage, so what pruning one stage leaves of a layer multiplies.
        """
        layers = [layer for stage in self.stages for layer in stage.layers]
        left = np.prod([self.left[stage, shares[:, stage]] for stage in range(len(self.stages))], axis=0)  # (N, L, 2)
        weights = np.array([float(np.prod(layer.shape)) for layer in layers])
        channels = np.array([float(layer.shape[0]) for layer in layers])
        return weights * left.prod(axis=2), channels * left[:, :, 0]

    def _by_stage(self, of_layers: Floats) -> Floats:
        """Sums (N, S) of values (N, L)."""
        sums = np.zeros((len(of_layers), len(self.stages)))
        np.add.at(sums.T, self._stage_of, of_layers.T)
        return sums


def estimate(workshop: Workshop) -> Estimates:
    """Measure what single stages do, each once: what is done is kept.

    Raises:
        DataError: what is kept is damaged.
        ExportError, NetworkError: the network cannot be pruned or quantised.
    """
    stages, number = workshop.stages, len(workshop.stages)
    singles = [(stage, share) for stage in range(number) for share in workshop.shares[stage][1:]]
    kept = _read(workshop)
    with workshop.reporter.bar("each stage by itself", len(singles) + number + 1) as advance:
        whole = measure(workshop, _choice(number), lambda steps, note: None)
        advance(1, whole.spelled)
        for stage, share in singles:
            key = f"{stages[stage].name}-{round(100 * share)}"
            if key not in kept:
                kept[key] = _prune_one(workshop, _choice(number, stage=stage, share=share))
                write_sealed(workshop.folder / _FILE, kept)
            advance(1, key)
        quantised = []
        for stage in range(number):
            quantised.append(measure(workshop, _choice(number, int8=stage), lambda steps, note: None))
            advance(1, f"{stages[stage].name} int8")
    layers = sum(len(stage.layers) for stage in stages)
    lost, left = np.zeros((number, len(SHARES))), np.ones((number, len(SHARES), layers, 2))
    for stage, share in singles:
        found = kept[f"{stages[stage].name}-{round(100 * share)}"]
        at = stage, SHARES.index(share)
        lost[at] = max(0.0, whole.score - workshop.source.metric.score(found["accuracy"]))
        left[at] = np.array(found["left"])
    table = Estimates(
        stages=stages,
        space=workshop.space,
        whole=whole,
        lost=lost,
        left=left,
        quantised=tuple(quantised),
        point=workshop.source.point,
    )
    return replace(table, space=choices_space(stages, workshop.shares, table))


def learned(estimates: Estimates, known: Sequence[tuple[Choice, Measured]]) -> Estimates:
    """The same with what the fine-tunings that are done have shown: the share of the pruning loss that remains, and how
    far to go on from there."""
    whole, noise = estimates.whole.score, _NOISE * estimates.point
    pairs = [(choice, one) for choice, one in known if any(choice.pruned) and not any(choice.int8)]
    if not pairs:
        return estimates
    shares = np.array([[SHARES.index(share) for share in choice.pruned] for choice, _ in pairs])
    expected = estimates.pruning_loss(shares)
    seen = np.array([whole - one.score for _, one in pairs])
    # The median: what has lost nearly all recovers less, and is not what is looked for.
    share = float(np.median(seen / np.maximum(expected, noise)))
    well = expected[seen <= _WELL * estimates.point]
    farthest = _STEP * max(float(well.max()) if len(well) else float(expected.min()), noise)
    return replace(estimates, remaining=float(np.clip(share, _LEAST_LEFT, 1.0)), farthest=farthest)


def _choice(number: int, *, stage: int = 0, share: float = 0.0, int8: int | None = None) -> Choice:
    """Of so many stages, one pruned or one in int8."""
    return Choice(
        int8=tuple(at == int8 for at in range(number)),
        pruned=tuple(share if at == stage else 0.0 for at in range(number)),
    )


def _prune_one(workshop: Workshop, choice: Choice) -> dict[str, Any]:
    """What the metric says without fine-tuning, and what is left of the channels of each layer."""
    images = workshop.source.images
    network = pruned_network(workshop, choice)
    after = {layer.name: layer for stage in network_stages(network, workshop.example) for layer in stage.layers}
    layers = [layer for stage in workshop.stages for layer in stage.layers]
    normalize = Normalizer(images.mean, images.std, device=torch.device("cpu"))
    return {
        "accuracy": evaluate(network, images.validation, normalize, metric=workshop.source.metric),
        "left": [[after[layer.name].shape[dim] / layer.shape[dim] for dim in (0, 1)] for layer in layers],
    }


def _read(workshop: Workshop) -> dict[str, Any]:
    file = workshop.folder / _FILE
    return read_sealed(file, error=DataError, what="JSON file", again=AGAIN) if file.is_file() else {}
