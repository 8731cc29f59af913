"""How the candidates of a run's search are trained and measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nars.evaluate import Engine, Limits, open_engine
from nars.run import Run
from nars.run.fidelity import search_settings
from nars.run.own_task import own_task
from nars.space import Population
from nars.store import Sample
from nars.tasks import ImageClassification, Task, Trial, make_trials

if TYPE_CHECKING:
    from nars.images import ImageData
    from nars.recipe import TrainingSettings


def engine_of(run: Run) -> Engine:
    """What trains the candidates, to be used in a `with` statement."""
    return engine_for(run, task_of(run))


def engine_for(run: Run, task: Task) -> Engine:
    """The same for another task."""
    how = run.execution
    return open_engine(
        how.engine,
        task,
        Limits(seconds=run.config.collect.trial_seconds, gigabytes=run.config.collect.trial_gigabytes),
        workers=how.workers or None,
        per_gpu=how.per_gpu,
        device=how.device,
        address=how.address,
    )


def task_of(run: Run) -> Task:
    """What the run's candidates are trained for."""
    if run.config.trains_images:
        keep = None if run.clock is None else run.folder.kept
        return ImageClassification(_at_all_resolutions(run), _settings(run), run.metric, keep)
    task: Task = own_task(run.config)
    return task


def _at_all_resolutions(run: Run) -> ImageData:
    """The images, made at each resolution of the space once for all workers, which would take it from their trials."""
    images, sides = run.images, [int(side) for side in run.space.values("resolution")]
    if len(sides) > 1:
        with run.reporter.bar("images at each resolution", len(sides)) as advance:
            for side in sides:
                images.at(side)
                advance(1, f"{side} x {side}")
    return images


def trials_for(run: Run, X: Population, *, epochs: int, round: int = 0, seed: int | None = None) -> list[Trial]:
    """A training of each candidate.

    Args:
        run: whose training settings and images.
        X: candidates, (N, D).
        epochs: of each training.
        round: of stage 2 that it belongs to.
        seed: of each training; the run's when None.
    """
    return make_trials(
        run.space,
        X,
        data=run.data_facts.fingerprint,
        fidelity=fidelity_of(run, epochs),
        metric=run.metric,
        epochs=epochs,
        seed=run.config.seed if seed is None else seed,
        number=round,
    )


def fidelity_of(run: Run, epochs: int) -> str:
    """How thoroughly a candidate of so many epochs is trained: what its samples say."""
    of = _settings(run) if run.config.trains_images else own_task(run.config)
    return of.fidelity(epochs)


def _settings(run: Run) -> TrainingSettings:
    known = run.data_facts.images
    return search_settings(run.config, images=None if known is None else known[0])


def spell(sample: Sample) -> str:
    """An outcome in a few words."""
    return sample.status + ("" if sample.result is None else f" {sample.metric.spell(sample.result)}")
