"""Samples that a run is given: what is measured already is not trained again, and all of it may teach the predictor.

They are copied into the run's folder, which stays whole: `prior/same` holds trainings as this run would do them,
`prior/other` those of another fidelity (other epochs, other data), which only teach, where the user says so.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Literal, final, get_args

import numpy as np

from nars.arrays import Floats
from nars.errors import ConfigError, StoreError
from nars.files.sealed import write_sealed
from nars.predictors import Predictor, kendall
from nars.run import Run
from nars.run.folder import RunFolder, read_json
from nars.run.journal import planned_sizes
from nars.space import Population
from nars.stages.measuring import trials_for
from nars.stages.stopping import label
from nars.store import COST_CONVENTION, Sample, SampleStore
from nars.trials import trials_of

PriorFidelity = Literal["own", "any", "same"]
"""Which samples count. own: those that say they were trained as this run trains. any: the others teach the predictor
too. same: all are taken for whole trainings of this run, whatever they say (imported ones cannot say it)."""

_REPRODUCED = ("ok", "diverged")
"""Outcomes that another training would have too; others are the machine's."""
_STRETCH = 4.0
"""Differences of one fidelity are taken for at most so many times those of another."""
_FEWEST = 10
"""Candidates of one fidelity with which it teaches, and of this run's with which its scale is learned."""


def give_samples(run: Run, store: SampleStore, *, fidelity: PriorFidelity = "own") -> None:
    """Copy a store's samples into the run's folder, before its first round; the same ones again change nothing.

    Raises:
        ConfigError: the run has begun without them, or was given others.
        StoreError: they are of another space or metric, or none succeeded.
    """
    if fidelity not in get_args(PriorFidelity):
        raise ConfigError(f"the fidelity of given samples is own, any or same; got {fidelity!r}")
    given, samples = run.folder.prior / "given.json", store.samples()
    about = {"content": _content(samples), "fidelity": fidelity}
    if given.is_file():
        before = {key: value for key, value in read_json(given).items() if key in about}
        if before != about:
            raise ConfigError(
                f"{run.folder.path} was given other samples when it began (see {given}), and they have taught it; go "
                f"on without --samples, or begin another run with --out"
            )
        return
    if planned_sizes(run.folder):
        raise ConfigError(
            f"{run.folder.path} has begun without these samples, and what it has chosen depends on what it knew; go on "
            f"without --samples, or begin another run with --out"
        )
    _check(run, store, samples)
    same = _as_own(run, samples) if fidelity == "same" else _own(run, samples)
    other = _of_others(samples, same) if fidelity == "any" else []
    for name, part in (("same", same), ("other", other)):
        SampleStore(run.folder.prior / name).append(_missing(run.folder, name, part))
    write_sealed(given, about | {"store": store.path, "samples": len(samples), "same": len(same), "other": len(other)})
    run.log(_summary(run, store, samples, same, other, fidelity))


@final
class PriorSamples:
    """What a run was given, for its rounds."""

    def __init__(self, run: Run, pretrained: Predictor, *, same: Sequence[Sample], other: Sequence[Sample]) -> None:
        """Samples of this run's fidelity, and of others."""
        self._run, self._pretrained = run, pretrained
        self.same: Mapping[str, Sample] = {sample.key: sample for sample in same if sample.status in _REPRODUCED}
        """By key: those of the run's seed are not trained again."""
        self._groups = [
            _Group([sample for sample in other if (sample.data, sample.fidelity) == key])
            for key, _ in Counter((sample.data, sample.fidelity) for sample in other).most_common()
        ]
        self._said: set[int] = set()

    @property
    def count(self) -> int:
        """Samples that teach from the beginning."""
        whole = self._run.config.collect.epochs
        own = [s for s in self.same.values() if s.status == "ok" and len(s.result_curve or range(whole)) >= whole]
        return len(own) + sum(len(group.values) for group in self._groups)

    @property
    def whole(self) -> bool:
        """Whether some say what whole trainings came to and nothing else: then this run's are not cut short either."""
        return any(sample.status == "ok" and not sample.result_curve for sample in self.same.values())

    def lessons(self, X: Population, labels: Floats, known: Collection[str], stop: int | None) -> _Lessons:
        """What the predictor learns: the run's own candidates X (n, D) and labels (n,), and what prior samples add.

        Args:
            X, labels: of the run's own trainings.
            known: keys of those.
            stop: epoch whose values count; None while that is not chosen.
        """
        length = stop or self._run.config.collect.epochs
        fit = [
            sample
            for key, sample in self.same.items()
            if key not in known and sample.status == "ok" and len(sample.result_curve or range(length)) >= length
        ]
        X = np.concatenate([X, np.array([s.choices for s in fit], dtype=np.int64).reshape(-1, X.shape[1])])
        labels = np.concatenate([labels, [label(sample, stop) for sample in fit]])
        if not len(labels):  # the scale of the largest group is as good as any
            return (self._groups[0].rows, self._groups[0].values) if self._groups else (X, labels)
        parts = [(X, labels)]
        for number, group in enumerate(self._groups):
            values = self._aligned(group, X, labels)
            if values is not None:
                parts.append((group.rows, values))
            elif number not in self._said:
                self._said.add(number)
                self._run.log(
                    f"stage 2: {len(group.values)} prior samples of another fidelity are left out from now on: what "
                    f"they say of {len(labels)} candidates measured here does not even put them in order"
                )
        return np.concatenate([rows for rows, _ in parts]), np.concatenate([values for _, values in parts])

    def _aligned(self, group: _Group, X: Population, labels: Floats) -> Floats | None:
        """The values of another fidelity on this run's scale; None where they do not tell this run's order.

        Hardly a candidate is measured in both, so a predictor of the other fidelity says what it would have measured of
        this run's candidates: that gives the offset and, from enough of them, the stretch. By least squares, as what is
        predicted spreads less than what is measured, and a ratio of spreads would count that as stretch.
        """
        space = self._run.space
        if group.predictor is None:
            seed = self._run.config.seed
            group.predictor = self._pretrained.fit(self._pretrained.inputs(space, group.rows), group.values, seed=seed)
        foreseen = group.predictor.predict(group.predictor.inputs(space, X))
        weights = 1 / foreseen.std**2  # where it knows, not where it guesses
        middle, level = (float(np.average(values, weights=weights)) for values in (foreseen.mean, labels))
        stretch = 1.0
        if len(labels) >= _FEWEST:
            if kendall(foreseen.mean, labels) <= 0:
                return None
            apart = weights * (foreseen.mean - middle)
            slope = float(apart @ (labels - level) / (apart @ (foreseen.mean - middle)))
            stretch = float(np.clip(slope, 1 / _STRETCH, _STRETCH))
        return np.asarray(level + stretch * (group.values - middle), dtype=np.float64)


_Lessons = tuple[Population, Floats]
"""Candidates (n, D) and their labels (n,)."""


@final
class _Group:
    """Samples of one other fidelity."""

    def __init__(self, samples: Sequence[Sample]) -> None:
        self._samples = samples
        self.predictor: Predictor | None = None
        """Of this fidelity, once it was needed."""

    @cached_property
    def rows(self) -> Population:
        """(n, D)"""
        return np.array([sample.choices for sample in self._samples], dtype=np.int64)

    @cached_property
    def values(self) -> Floats:
        """(n,)"""
        return np.array([sample.result for sample in self._samples], dtype=np.float64)


def load_prior(run: Run, pretrained: Predictor) -> PriorSamples | None:
    """What the run was given; None where it was given nothing."""
    if not (run.folder.prior / "given.json").is_file():
        return None
    same, other = (SampleStore(run.folder.prior / name).samples() for name in ("same", "other"))
    return PriorSamples(run, pretrained, same=same, other=other)


def _content(samples: Sequence[Sample]) -> str:
    rows = sorted((sample.key, sample.status, sample.result) for sample in samples)
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:32]


def _check(run: Run, store: SampleStore, samples: Sequence[Sample]) -> None:
    """Raises: StoreError where the samples cannot teach this run anything."""
    space, metric = run.space, run.metric
    bare = space if space.computes_costs else replace(space, table=None)
    foreign = {sample.space for sample in samples} - {space.fingerprint, bare.fingerprint}
    if foreign:
        raise StoreError(
            f"the samples in {store.path} were collected in the space {min(foreign)}, the run searches {space.name} "
            f"({space.fingerprint}), where a choice means something else; give samples of this space"
        )
    if (store.metric.name, store.metric.goal) != (metric.name, metric.goal):
        raise StoreError(
            f"the samples in {store.path} are measured by {store.metric.title}, to {store.metric.goal}, the run by "
            f"{metric.title}, to {metric.goal}; give samples of the same metric"
        )
    if not any(sample.status == "ok" for sample in samples):
        raise StoreError(f"none of the {len(samples)} samples in {store.path} succeeded: there is nothing to learn")


def _own(run: Run, samples: Sequence[Sample]) -> list[Sample]:
    """Those that were trained as this run trains, of whatever length and seed."""
    lengths = range(1, run.config.collect.epochs + 1)
    first = np.array([samples[0].choices], dtype=np.int64)
    fidelities = {trials_for(run, first, epochs=epochs)[0].fidelity for epochs in lengths}
    ours = [s for s in samples if s.data == run.data_facts.fingerprint and s.fidelity in fidelities]
    return _rewritten(run, ours)


def _as_own(run: Run, samples: Sequence[Sample]) -> list[Sample]:
    """All, one for each candidate, as whole trainings of this run with its seed; several seeds are averaged."""
    epochs = run.config.collect.epochs
    table = trials_of(samples, run.space if run.space.computes_costs else replace(run.space, table=None))
    (known,) = trials_for(run, table.X[:1], epochs=epochs)
    made = [
        Sample(
            record=record,
            choices=tuple(row),
            costs={},
            status="ok",
            value=float(value),
            epochs=epochs,
            planned_epochs=epochs,
            seconds=0.0,
            seed=run.config.seed,
            space=run.space.fingerprint,
            data=known.data,
            fidelity=known.fidelity,
            metric=run.metric,
        )
        for row, record, value in zip(table.X.tolist(), run.space.to_records(table.X), table.mean, strict=True)
    ]
    return _rewritten(run, made)


def _of_others(samples: Sequence[Sample], same: Sequence[Sample]) -> list[Sample]:
    """Successful ones of each other fidelity that has enough to teach."""
    own = {(sample.data, sample.fidelity) for sample in same}
    good = [sample for sample in samples if sample.status == "ok" and (sample.data, sample.fidelity) not in own]
    counts = Counter((sample.data, sample.fidelity) for sample in good)
    return [sample for sample in good if counts[sample.data, sample.fidelity] >= _FEWEST]


def _rewritten(run: Run, samples: Sequence[Sample]) -> list[Sample]:
    """With the run's costs, metric and space, which may be the samples' own with costs beside it."""
    if not samples:
        return []
    costs = run.space.costs(np.array([s.choices for s in samples], dtype=np.int64)) if run.space.cost_names else {}
    return [
        replace(
            sample,
            key="",
            space=run.space.fingerprint,
            metric=run.metric,
            costs={name: float(values[row]) for name, values in costs.items()},
            cost_convention=COST_CONVENTION,
        )
        for row, sample in enumerate(samples)
    ]


def _missing(folder: RunFolder, name: str, samples: Sequence[Sample]) -> list[Sample]:
    """Those that an interrupted start has not copied."""
    kept = SampleStore(folder.prior / name).keys()
    return [sample for sample in samples if sample.key not in kept]


def _summary(
    run: Run,
    store: SampleStore,
    samples: Sequence[Sample],
    same: Sequence[Sample],
    other: Sequence[Sample],
    fidelity: PriorFidelity,
) -> str:
    """What becomes of the samples, for the log."""
    total, counted = len(samples), sum(sample.seed == run.config.seed for sample in same)
    head = f"samples: of {total:,} in {store.path}"
    if fidelity == "same":
        return (
            f"{head} {len(same):,} candidates are taken as measured by whole trainings of this run, as you say; none "
            f"of them is trained again, and no training is cut short"
        )
    seeds = (
        "" if counted == len(same) else f" ({len(same) - counted:,} of another seed: these teach the predictor only)"
    )
    rest = total - len(same) - len(other)
    if fidelity == "any":
        left = f"{len(other):,} of another teach the predictor, brought to this run's scale; {rest:,} are left out"
        left += f" (failed, or fewer than {_FEWEST} of one fidelity)" if rest else ""
    else:
        left = f"{rest:,} are of another and left out (--samples-fidelity any: they teach the predictor)"
    return f"{head} {len(same):,} are of this run's fidelity and not trained again{seeds}; {left}"
