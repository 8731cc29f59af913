"""Final training of a family by a trainer of one's own: each member, as long as the configuration says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from nars.errors import DataError
from nars.run import Run
from nars.run.folder import RunFolder
from nars.run.own_task import own_task
from nars.stages.measuring import engine_for, spell
from nars.stages.members import Family, distinct
from nars.store import Sample
from nars.tasks import Trial, make_trials


@dataclass(frozen=True, kw_only=True)
class MeasuredFamily:
    """The family with what its own trainer says of each member; what that has trained, it keeps itself."""

    family: Family
    samples: Mapping[str, Sample]
    """Each member's, by name; members with the same settings share one."""


def measured_in(folder: RunFolder, family: Family, *, epochs: int) -> dict[str, Sample]:
    """Final trainings of so many epochs, by the member's name, those that are done."""
    from nars.store import SampleStore

    if not folder.finals.is_dir():
        return {}
    samples = {s.choices: s for s in SampleStore(folder.finals).samples() if _counts(s, epochs)}
    return {member.name: samples[member.choices] for member in family.members if member.choices in samples}


def _counts(sample: Sample, epochs: int) -> bool:
    """Whether it is a final training of so many epochs that came to its end; an earlier version kept others too."""
    return sample.planned_epochs == epochs and sample.status == "ok"


def load_measured(run: Run, family: Family) -> MeasuredFamily | None:
    """The family when each member is finally trained; None before."""
    samples = measured_in(run.folder, family, epochs=run.config.final.epochs)
    if any(member.name not in samples for member in family.members):
        return None
    return MeasuredFamily(family=family, samples=samples)


def measure_family(run: Run, family: Family) -> MeasuredFamily:
    """Train each member by the user's trainer; what the search has measured as thoroughly counts.

    Raises:
        DataError: a member's training failed; the next start tries again.
    """
    from nars.store import SampleStore

    store, trials = SampleStore(run.folder.finals), _trials(run, family)
    known = (*SampleStore(run.folder.samples).samples(), *store.samples())
    done = {sample.key: sample for sample in known if sample.status == "ok"}
    kept = store.keys()
    store.append([done[key] for key in trials if key in done and key not in kept])
    missing = [trial for key, trial in trials.items() if key not in done]
    failures: list[Sample] = []
    task = own_task(run.config, epochs=run.config.final.epochs, out=run.folder.path / "training")
    with run.reporter.bar("final training", len(missing)) as advance:

        def tell(sample: Sample) -> None:
            if sample.status == "ok":
                store.append([sample])
            else:
                failures.append(sample)
            advance(1, spell(sample))

        if missing:
            with engine_for(run, task) as engine:
                engine.run(missing, on_result=tell)
    if failures:
        reasons = "; ".join(f"{sample.status}: {sample.message}" for sample in failures)
        raise DataError(
            f"the final training of {len(failures)} of {len(trials)} members failed ({reasons}). Mend the cause; the "
            f"same command then goes on with them (nars run {run.folder.path})"
        )
    measured = load_measured(run, family)
    assert measured is not None
    for name, sample in measured.samples.items():
        run.log(f"final training: {name} {spell(sample)}")
    return measured


def _trials(run: Run, family: Family) -> dict[str, Trial]:
    """A training of each distinct member, by key."""
    members, epochs = distinct(family.members), run.config.final.epochs
    task = own_task(run.config, epochs=epochs)
    trials = make_trials(
        run.space,
        np.array([member.choices for member in members], dtype=np.int64),
        data=task.data,
        fidelity=task.fidelity(epochs),
        epochs=epochs,
        seed=run.config.seed,
        metric=run.metric,
    )
    return {trial.key: trial for trial in trials}
