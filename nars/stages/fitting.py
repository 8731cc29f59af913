"""A predictor from finished trials, without a run: pretrained on what is free, fitted on what has been paid for."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from nars.arrays import Ints
from nars.errors import DataError, expect
from nars.files.atomic import write_json
from nars.predictors import Failures, Predictor, Source, kendall
from nars.printing import brief_repr
from nars.run.folder import RunFolder, read_json
from nars.run.progress import Reporter, Silent, counting
from nars.space import ListedCostTable, Population, Space, SpaceError, read_space, sobol
from nars.stages.predictors import open_predictor, write_predictor
from nars.stages.warm_start import fingerprint
from nars.store import SampleStore, kept_space
from nars.trials import TrialTable, trials_of

_POOL = 4096
"""Sobol candidates to pretrain on, beside the measured ones."""
_FOLDS = 5
_COSTS = "space.costs.json"
FEWEST_TO_FIT = 10
"""Distinct candidates: two to each fold of the cross-validation."""


@dataclass(frozen=True, kw_only=True, eq=False)
class FittedTrials:
    """A predictor of finished trials, in its folder."""

    __repr__ = brief_repr

    folder: Path
    space: Space
    """What questions are asked about; costs beside the trials are in it where they are known of all candidates."""
    predictor: Predictor
    candidates: int
    """Distinct ones that it was fitted on, each with the mean of its trainings."""
    trainings: int
    """Successful ones behind them."""
    failed: int
    """Trainings that failed, which teach nothing."""
    tau: float
    """Kendall's tau of predictions and measurements, mean of the folds that a fit had not seen."""
    made: bool
    """Whether it was made now; else it was there, of the same trials."""


def fit(
    trials: TrialTable | SampleStore | str | Path,
    folder: str | Path,
    *,
    space: Space | None = None,
    data: str | None = None,
    sources: Sequence[Source] = (),
    seed: int = 0,
    reporter: Reporter | None = None,
) -> FittedTrials:
    """Make a predictor of finished trials; `ask`, `ask_front` and `nars search --predictor` then answer from it.

    Where the folder has one of the same trials and seed already, that is taken.

    Example:
        >>> from nars import Bounds, ask, fit, load_space, read_trials
        >>> fit(read_trials("trials.csv", load_space("digits")), "predictors/mine")
        >>> ask("predictors/mine", [Bounds.at_most(flops=3e5)])

    Args:
        trials: as `read_trials` gives them, or a store or run folder.
        folder: where to; other files in it are left alone.
        space: of a store that does not keep its own.
        data: name of the data set that they were measured on; what the samples say when None.
        sources: predictors of other data sets that it starts from (`nars.open_source`).
        seed: of the pool and the fits, >= 0.
        reporter: shows bars.

    Raises:
        DataError: too few candidates succeeded or all are equally good, or the folder is a run's.
        StoreError: there is no store, or it is of another space.
    """
    expect(seed, (int, np.integer), "a seed is a whole number from 0 on", error=DataError)
    folder = Path(folder)
    if any(RunFolder(home).run_file.is_file() for home in (folder, folder.parent)):
        raise DataError(f"{folder} belongs to a run, which makes its own predictor; choose another folder")
    table = trials if isinstance(trials, TrialTable) else _stored(trials, space)
    _check(table)
    content = _content(table, sources, seed, data)
    if (tau := _known_tau(folder, content)) is not None:
        asked, predictor = open_predictor(folder)
        return _fitted(folder, table, asked, predictor, tau, made=False)
    asked, rich, pool = _spaces(table, seed)
    asked = _with_cost_file(asked, folder)
    reporter = reporter or Silent()
    with counting(reporter, "pretraining on free statistics") as count:
        pretrained = Predictor.pretrained(rich, pool, seed=seed, progress=count)
        pretrained = replace(pretrained, metric=table.metric, sources=tuple(sources))
    inputs, values, taus = pretrained.inputs(asked, table.X), table.mean, list[float]()
    with reporter.bar("fitting", _FOLDS + 1) as advance:
        for train, held_out in _folds(len(values), seed):
            fold = pretrained.fit(inputs[train], values[train], seed=seed)
            taus.append(kendall(fold.predict_mean(inputs[held_out]), values[held_out]))
            advance(1, f"fold {len(taus)}: tau {taus[-1]:.2f}")
        predictor = replace(pretrained.fit(inputs, values, seed=seed), failures=_failures(asked, table))
        advance(1, "")
    made = _fitted(folder, table, asked, predictor, float(np.mean(taus)), made=True)
    counts = {name: getattr(made, name) for name in ("candidates", "trainings", "failed")}
    write_predictor(
        folder,
        predictor,
        space=asked,
        data=data or _data(table),
        quality={"tau": made.tau, "folds": _FOLDS},
        origin={"trials": table.name, "content": content, **counts},
    )
    return made


def _failures(space: Space, table: TrialTable) -> Failures | None:
    """Who fails, by candidates none of whose trainings succeeded."""
    if table.failed is None:
        return None
    scores = np.concatenate([table.metric.score(table.mean), np.full(len(table.failed), np.nan)])
    return Failures.learned(space, np.concatenate([table.X, table.failed]), scores)


def _fitted(
    folder: Path, table: TrialTable, space: Space, predictor: Predictor, tau: float, *, made: bool
) -> FittedTrials:
    return FittedTrials(
        folder=folder,
        space=space,
        predictor=predictor,
        candidates=len(table.X),
        trainings=int(np.isfinite(table.values).sum()),
        failed=table.failed_trials,
        tau=tau,
        made=made,
    )


def _store_folder(place: str | Path) -> str | Path:
    inside = RunFolder(Path(place)).samples
    return inside if inside.is_dir() else place


def _stored(trials: SampleStore | str | Path, space: Space | None) -> TrialTable:
    """The samples of a store or run folder."""
    known = (SampleStore, str, Path)
    expect(trials, known, "fit takes trials, e.g. read_trials('trials.csv', space), or a store", error=DataError)
    store = trials if isinstance(trials, SampleStore) else SampleStore(_store_folder(trials), must_exist=True)
    space = space or kept_space(store.path)
    if space is None:
        raise DataError(f"{store.path} does not keep its space; name it: fit(..., space=load_space('mine.yaml'))")
    return trials_of(store.samples(), space, name=str(store.path))


def _check(table: TrialTable) -> None:
    """Raises: DataError where there is not enough to learn from."""
    values, name = table.mean, table.metric.name
    if len(values) < FEWEST_TO_FIT:
        raise DataError(
            f"{table.name}: a predictor needs the {name} of at least {FEWEST_TO_FIT} distinct candidates, got "
            f"{len(values)}; collect more trials first"
        )
    if np.ptp(values) == 0:
        raise DataError(
            f"{table.name}: all {len(values)} candidates have the {name} {values[0]:g}, so there is nothing to learn; "
            f"check that its column is the right one"
        )


def _spaces(table: TrialTable, seed: int) -> tuple[Space, Space, Population]:
    """The space that questions are about, and the space and the candidates (N, D) to pretrain on.

    Costs that stand beside the trials may be known of those alone: then the encoder learns them where they are known,
    and questions cannot bound them, as nobody knows what other candidates cost.
    """
    space = table.space
    bare = space if space.computes_costs else replace(space, table=None)
    pool = np.unique(space.canonical(np.concatenate([sobol(bare, _POOL, seed=seed), table.X])), axis=0)
    try:
        space.costs(pool)
    except SpaceError:  # not listed
        return bare, space, table.X
    return space, space, pool


def _with_cost_file(space: Space, folder: Path) -> Space:
    """The space with costs that came with the trials in a file, from which it can be read again."""
    table = space.table
    if space.computes_costs or not isinstance(table, ListedCostTable) or "costs" in space.document.content:
        return space
    rows = zip(space.dimensions, table.rows.T.tolist(), strict=True)
    settings = {dimension.name: [dimension.values[at] for at in column] for dimension, column in rows}
    write_json(folder / _COSTS, settings | {name: values.tolist() for name, values in table.costs.items()})
    content = {**space.document.content, "costs": _COSTS}
    return read_space(replace(space.document, source=str(folder / "space.yaml"), content=content))


def _folds(count: int, seed: int) -> list[tuple[Ints, Ints]]:
    """Rows to fit on and rows to predict, of each fold."""
    parts = np.array_split(np.random.default_rng([seed, count]).permutation(count), _FOLDS)
    return [(np.concatenate([p for p in parts if p is not part]), part) for part in parts]


def _content(table: TrialTable, sources: Sequence[Source], seed: int, data: str | None) -> str:
    """Hash of what decides the predictor and what it says of itself."""
    about = [table.space.fingerprint, table.metric.document, int(seed), *map(fingerprint, sources)]
    digest = hashlib.sha256(json.dumps(about).encode())
    failed = () if table.failed is None else (table.failed,)
    for part in (table.X, table.values, *(values for _, values in sorted(table.costs.items())), *failed):
        digest.update(np.ascontiguousarray(part).tobytes())
    digest.update((data or "").encode())
    return digest.hexdigest()[:32]


def _known_tau(folder: Path, content: str) -> float | None:
    """The quality of the predictor in the folder, if it is of the same trials."""
    card = folder / "card.json"
    document = read_json(card) if card.is_file() else {}
    return document["quality"]["tau"] if (document.get("origin") or {}).get("content") == content else None


def _data(table: TrialTable) -> str:
    """What the trials were measured on, as their samples say."""
    if table.trials is None or not table.trials.samples:
        return table.name
    return ", ".join(sorted({sample.data for sample in table.trials.samples}))
