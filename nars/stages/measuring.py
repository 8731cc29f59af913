"""How the candidates of a run's search are trained and measured."""

from __future__ import annotations

from nars.evaluate import Engine, Limits, open_engine
from nars.recipe import Augmentation, Schedule, TrainingSettings
from nars.run import Run
from nars.space import Population
from nars.store import COST_CONVENTION, Identity, Sample, SampleStore
from nars.tasks import ImageClassification, Trial, make_trials


def engine_of(run: Run) -> Engine:
    """What trains the candidates, to be used in a `with` statement."""
    how = run.execution
    return open_engine(
        how.engine,
        ImageClassification(run.images, settings_of(run)),
        Limits(seconds=run.config.collect.trial_seconds, gigabytes=run.config.collect.trial_gigabytes),
        workers=how.workers or None,
        per_gpu=how.per_gpu,
        device=how.device,
        address=how.address,
    )


def settings_of(run: Run) -> TrainingSettings:
    """How every candidate of the search is trained."""
    config = run.config.collect
    return TrainingSettings(
        schedule=Schedule(
            epochs=config.epochs, warmup_epochs=config.warmup_epochs, kind=config.schedule, decay=config.decay
        ),
        batch_size=config.batch_size,
        augmentation=Augmentation(crop=run.config.data.crop, flip=run.config.data.flip),
        ema_decay=config.ema_decay,
        amp=config.amp,
        compiler="inductor" if config.compile else None,
    )


def check_samples(run: Run) -> None:
    """See that the sample stores of the run's folder hold samples of its space and images, if any.

    Raises:
        StoreError: they hold others.
    """
    ours = Identity(space=run.space.fingerprint, data=run.image_facts.fingerprint, cost_convention=COST_CONVENTION)
    for folder in (run.folder.samples, run.folder.swaps):
        theirs = SampleStore(folder).identity if folder.is_dir() else None
        if theirs is not None:
            ours.refuse_mixing(theirs, here=f"the run in {run.folder.path}", there=f"the store {folder}")


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
        data=run.image_facts.fingerprint,
        fidelity=settings_of(run).fidelity(epochs),
        epochs=epochs,
        seed=run.config.seed if seed is None else seed,
        number=round,
    )


def spell(sample: Sample) -> str:
    """An outcome in a few words."""
    return sample.status + ("" if sample.result is None else f" {sample.result:.2f} %")
