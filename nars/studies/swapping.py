"""Every architecture of a family with every recipe: how much of the accuracy is which of the two?

FBNetV3 found that swapping the recipes of B and E costs both of them accuracy (arXiv 2006.02049, section 4).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from nars.arrays import Floats
from nars.errors import ConfigError, require
from nars.metric import Metric
from nars.printing import brief_repr
from nars.run import Run
from nars.run.config import OwnTask
from nars.run.journal import check_samples, read_results
from nars.space import Population
from nars.stages import Member, engine_of, open_predictor
from nars.stages.measuring import spell, trials_for
from nars.stages.members import finished_family
from nars.store import Sample, SampleStore
from nars.tasks import Trial


@dataclass(frozen=True, kw_only=True)
class Shares:
    """A two-way additive decomposition: y_ij = mean + row_i + column_j + rest_ij, each part's share of the variance."""

    deviation: float
    """Standard deviation of all cells, in the unit of the table."""
    architecture: float
    """Share of the rows' means in the variance, in [0, 1]; the three shares add up to 1 (all 0 in a constant table)."""
    recipe: float
    """Share of the columns' means."""
    interaction: float
    """The rest: what the two means do not explain, training noise included."""
    noise: float | None = None
    """Share that the noise of the cells alone would put into `interaction` on average; None when it is not known."""


def shares(table: Floats, *, cell_variance: float | None = None) -> Shares:
    """Decompose a complete table.

    Args:
        table: (rows, columns), finite: accuracy of architecture i with recipe j.
        cell_variance: Variance of the noise of one cell, in the squared unit of the table; None when it is not known.
    """
    if np.ptp(table) == 0:
        return Shares(deviation=0.0, architecture=0.0, recipe=0.0, interaction=0.0)
    rows = table.mean(axis=1, keepdims=True) - table.mean()
    columns = table.mean(axis=0, keepdims=True) - table.mean()
    rest = table - table.mean() - rows - columns
    total = float(((table - table.mean()) ** 2).sum())
    architecture, recipe, interaction = (
        float((np.broadcast_to(part, table.shape) ** 2).sum()) / total for part in (rows, columns, rest)
    )
    noise = None if cell_variance is None else (table.shape[0] - 1) * (table.shape[1] - 1) * cell_variance / total
    deviation = float(table.std())
    return Shares(deviation=deviation, architecture=architecture, recipe=recipe, interaction=interaction, noise=noise)


@dataclass(frozen=True, kw_only=True, eq=False)
class Swap:
    """The matrix of a family of M members. Rows are architectures, columns recipes; values are the metric's."""

    __repr__ = brief_repr

    members: tuple[Member, ...]
    metric: Metric
    """What the run's candidates are measured by."""
    epochs: int
    """Epochs of each training, and those that the predictor predicts for."""
    predicted: Floats
    """(M, M)"""
    predicted_std: Floats
    """(M, M)"""
    measured: Floats
    """(M, M, seeds) the metric on validation images; NaN where nothing was trained, or where the training failed."""

    @property
    def trained(self) -> Floats:
        """(M, M) mean over the seeds; NaN unless every seed was trained."""
        return np.asarray(self.measured.mean(axis=2))

    @property
    def predicted_shares(self) -> Shares:
        """What the predictor holds for architecture, what for recipe."""
        return shares(self.predicted)

    @property
    def trained_shares(self) -> Shares | None:
        """The same of real trainings; None before every cell was trained."""
        table, seeds = self.trained, self.measured.shape[2]
        if np.isnan(table).any():
            return None
        variance = float(self.measured.var(axis=2, ddof=1).mean()) / seeds if seeds > 1 else None
        return shares(table, cell_variance=variance)

    def to_dict(self) -> dict[str, Any]:
        """As JSON, which has no NaN: cells that were not trained are null."""
        trained = self.trained_shares
        return {
            "members": [member.name for member in self.members],
            "metric": self.metric.document,
            "rows": "architectures",
            "columns": "recipes",
            "epochs": self.epochs,
            "seeds": self.measured.shape[2],
            "predicted": self.predicted.tolist(),
            "predicted_std": self.predicted_std.tolist(),
            "trained": [[None if np.isnan(value) else value for value in row] for row in self.trained.tolist()],
            "shares": {"predicted": asdict(self.predicted_shares), "trained": trained and asdict(trained)},
        }


def swap(run: Run, *, train: str | None = None, seeds: int = 1) -> Swap:
    """Predict every cell of the matrix, and train those that are asked for.

    A training is that of a candidate in stage 2: on the search's images, up to the stop epoch. Its outcome goes into
    the sample store `swap/` of the run's folder; what is there, or was trained in stage 2, is not trained again.

    Args:
        run: A run with a finished search, its trainer ours or one's own.
        train: "all", "diagonal", or cells as "ARCHITECTURE:RECIPE", separated by commas; None trains nothing and
            shows what has been trained before.
        seeds: Trainings of each cell, >= 1, of different initial weights and order; the difference is the noise.

    Raises:
        ConfigError: the search is not finished, `train` names no cell of the family, there is nothing to exchange in
            the run's space, or its trainings are a loop of one's own.
    """
    check_samples(run)
    for group in ("architecture", "recipe"):
        if not len(run.space.columns_of(group)):
            raise ConfigError(
                f"swapping gives each architecture each recipe, and in the space {run.space.name} nothing may be "
                f"chosen of the {group}. Swap a run whose space has choices of both."
            )
    if train is not None and isinstance(run.config.task, OwnTask) and run.config.task.loop is not None:
        raise ConfigError(
            f"--train trains cells here, and the candidates of {run.config.name} are trained by a loop of your own, "
            f"{run.config.task.loop}. Without --train all cells are predicted."
        )
    members = finished_family(run, "swapping")
    if len(members) < 2:
        raise ConfigError(f"swapping needs a family of two members or more, {run.folder.path} has {len(members)}")
    wanted = cells(train, [member.name for member in members]) if train is not None else []
    require(ConfigError, seeds >= 1, "--seeds, the trainings of each cell,", "at least 1", seeds)
    results = read_results(run.folder)
    if not results:
        raise ConfigError(
            f"swapping goes on with what stage 2 has measured, and {run.folder.path} has no round (collect.rounds is "
            f"{run.config.collect.rounds}): there is no predictor, and no epoch at which trainings stop. Swap a run "
            f"with rounds: nars run ... --set collect.rounds=2 --out FOLDER"
        )
    X = crossed(run, members)
    epochs = results[0].stop_epoch
    _, predictor = open_predictor(run.folder.path)
    prediction = predictor.predict(predictor.inputs(run.space, X))
    each_seed = range(run.config.seed, run.config.seed + seeds)
    trials = list(zip(*(trials_for(run, X, epochs=epochs, seed=seed) for seed in each_seed), strict=True))
    count = len(members)
    _train(run, [trial for row, column in wanted for trial in trials[row * count + column]])
    known = _known(run)
    measured = np.array([[known.get(trial.key, np.nan) for trial in cell] for cell in trials])
    return Swap(
        members=members,
        metric=run.metric,
        epochs=epochs,
        predicted=prediction.mean.reshape(count, count),
        predicted_std=prediction.std.reshape(count, count),
        measured=measured.reshape(count, count, seeds),
    )


def crossed(run: Run, members: Sequence[Member]) -> Population:
    """The M x M pairs, (M * M, D): row i * M + j has the architecture of member i and the recipe of member j."""
    choices = np.array([member.choices for member in members], dtype=np.int64)
    X = np.repeat(choices, len(members), axis=0)
    recipe = run.space.columns_of("recipe")
    X[:, recipe] = np.tile(choices[:, recipe], (len(members), 1))
    return run.space.canonical(X)


def cells(text: str, names: Sequence[str]) -> list[tuple[int, int]]:
    """The cells that a person asks for: (architecture, recipe), each by its member's place in the family.

    Args:
        text: "all", "diagonal", or e.g. "150k:500k,500k:150k" (architecture:recipe).
        names: The members, in the order of the matrix.

    Raises:
        ConfigError: it is none of these.
    """
    count = len(names)
    if text == "all":
        return [(row, column) for row in range(count) for column in range(count)]
    if text == "diagonal":
        return [(row, row) for row in range(count)]
    found = []
    for part in text.split(","):
        pair = [name.strip() for name in part.split(":")]
        if len(pair) != 2 or not set(pair) <= set(names):
            raise ConfigError(
                f"--train takes all, diagonal, or cells ARCHITECTURE:RECIPE separated by commas, got {part!r}; the "
                f"members are {', '.join(names)}, so e.g. {names[0]}:{names[-1]}"
            )
        found.append((names.index(pair[0]), names.index(pair[1])))
    return list(dict.fromkeys(found))


def _train(run: Run, trials: Sequence[Trial]) -> None:
    """Train what neither store has, each outcome into the store as soon as it is known."""
    known = _known(run)
    missing = list({trial.key: trial for trial in trials if trial.key not in known}.values())  # members may share one
    if not missing:
        return
    store = SampleStore(run.folder.swaps)
    with run.reporter.bar("swap: training", len(trials)) as advance, engine_of(run) as engine:
        advance(len(trials) - len(missing), "")

        def keep(sample: Sample) -> None:
            store.append([sample])
            advance(1, spell(sample))

        engine.run(missing, on_result=keep)
    store.compact()


def _known(run: Run) -> dict[str, float]:
    """Accuracy by key of all that was trained, in stage 2 or here; NaN where a training failed."""
    samples = [s for folder in (run.folder.samples, run.folder.swaps) for s in SampleStore(folder).samples()]
    return {sample.key: np.nan if sample.result is None else sample.result for sample in samples}
