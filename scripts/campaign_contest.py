"""Claim 3 for real: joint, architecture-only and TPE with ASHA in the whole space, half an hour of training each.

Time is that of a core for the trainings alone; one that is stopped early costs what it took. A search that was stopped
goes on by asking again from its start: what was trained is looked up. As many searches at once as there are workers.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from campaign_arms import Ground, Step, arm_of_pair, hours, kept, samples_in, trained
from campaign_pairs import USUAL_RECIPES, seconds_of, usual_recipe
from nars.evaluate import evaluate_trial
from nars.files.atomic import write_text
from nars.parallel import Failure, Pool, Report, worker_setups
from nars.run import Silent, load_config
from nars.search import search_family
from nars.space import Bounds, Population, Space, dump_yaml, load_space, read_document, space_file
from nars.stages import Loop, open_loop, scorer
from nars.stages.searching import SEED_POPULATION
from nars.stages.stopping import label
from nars.store import Sample, SampleStore
from nars.studies.rivals import RIVALS, optuna_study, suggest
from nars.tasks import Measured, Trial, make_trials
from regime_trials import RegimeTask

BUDGET = 0.4e6
"""Multiply-accumulates that no candidate may have more of."""

SECONDS = 1800.0
SEEDS = 3
_FRESH = 3
"""Trainings of what a search has found, with seeds that chose nothing."""

_PER_ROUND, _ROUNDS, _POOL = 12, 100, 20_000


def contest(ground: Ground) -> Iterator[str]:
    """Every way with every seed, then what each has found with fresh seeds."""
    seeds = 2 if ground.rehearsed else ground.seeds or SEEDS
    folder = ground.out / "contest"
    searches = [Search(ground, way, seed) for seed in range(seeds) for way in WAYS]
    if ground.plan:
        left = sum(max(one.limit - spent(samples_in(one.store)), 0.0) for one in searches)
        yield f"  {len(searches)} searches of {searches[0].limit / 60:g} minutes, {left / 3600:.2f} h to come"
        yield from hours([Step(what="found", trainings=_FRESH * len(searches), folder=folder / "samples", seconds=25)])
        return
    if ahead := [search for search in searches if not search.file.is_file()]:
        _conduct(ahead, ground)
    arms = []
    for search in searches:
        row = json.loads(search.file.read_text())
        arms.append(arm_of_pair(ground, np.array(row), {"way": search.way, "search": search.seed}))
    yield from trained(ground, folder / "samples", arms, _FRESH)


def _conduct(searches: list[Search], ground: Ground) -> None:
    """In worker processes: trainings of one search wait for each other, those of several do not."""

    def refuse(job: tuple[str, int], failure: Failure) -> None:
        raise SystemExit(f"{job}: {failure.message}; the same command goes on with what it has trained")

    pool: Pool[tuple[str, int], None] = Pool(_search, ground, setups=worker_setups([ground.device] * ground.workers))
    with pool:
        pool.run(
            [(search.way, search.seed) for search in searches],
            on_result=lambda _, __: None,
            on_failure=refuse,
            on_report=lambda _, line: print(line, flush=True),
        )


def _search(job: tuple[str, int], ground: Ground, device: str, report: Report) -> None:
    """In a worker."""
    search = Search(replace(ground, device=device), *job)
    for line in WAYS[search.way](search):
        report(line)


def spent(samples: list[Sample]) -> float:
    """Seconds of a core; a failed training does not say, and counts as long as it took."""
    return sum(map(seconds_of, samples))


@dataclass
class Search:
    """One way with one seed: what it trains, within its time."""

    ground: Ground
    way: str
    seed: int
    used: float = field(default=0.0, init=False)
    """Seconds."""

    @property
    def folder(self) -> Path:
        """All of it."""
        return self.ground.out / "contest" / f"{self.way}-{self.seed}"

    @property
    def file(self) -> Path:
        """What it has found."""
        return self.folder / "found.json"

    @property
    def store(self) -> Path:
        """Its trainings."""
        return self.folder / "trained"

    @property
    def limit(self) -> float:
        """Seconds that it may train."""
        return 0.5 if self.ground.rehearsed else SECONDS

    @property
    def over(self) -> bool:
        """Whether they are used."""
        return self.used >= self.limit

    @cached_property
    def _task(self) -> RegimeTask:
        return RegimeTask(self.ground.images, self.ground.regime)

    @cached_property
    def _known(self) -> dict[tuple[int, ...], Sample]:
        return {sample.choices: sample for sample in samples_in(self.store)}

    def train(self, row: Population, *, epochs: int, stops: Callable[[int, float], bool] | None = None) -> Sample:
        """The outcome of a row (D,), perhaps that of before; `stops` is asked after each epoch but the last."""
        (trial,) = make_trials(
            self.ground.space,
            row[None],
            data=self._task.data,
            fidelity=self._task.fidelity(epochs),
            epochs=epochs,
            seed=self.seed,
        )
        sample = self._known.get(trial.choices)
        if sample is None:
            sample = self._trained(trial, stops)
            self._known[trial.choices] = sample
            SampleStore(self.store).append([sample])
        elif stops is not None:
            for epoch, value in enumerate(sample.curve, start=1):
                stops(epoch, value)
        self.used += spent([sample])
        return sample

    def _trained(self, trial: Trial, stops: Callable[[int, float], bool] | None) -> Sample:
        watched = _Watched(self._task, stops)
        sample = evaluate_trial(trial, watched, device=self.ground.device)
        if watched.stopped:  # the same training, of so many epochs
            epochs = len(watched.done)
            shorter = replace(trial, epochs=epochs, fidelity=self._task.fidelity(epochs))
            found = evaluate_trial(shorter, _Done(self._task, watched.done))
            sample = replace(found, seconds=sample.seconds, device=sample.device)
        return sample

    def found(self, row: Population) -> str:
        """Keep what the search answers."""
        kept(self.file, np.asarray(row).tolist)
        return f"{self.way}, seed {self.seed}: {len(self._known)} trainings in {self.used:.0f} s"


class _StoppedError(Exception):
    """By a rival's rule."""


class _Watched:
    """A task whose trainings may be stopped, and what they measured until then."""

    def __init__(self, task: RegimeTask, stops: Callable[[int, float], bool] | None) -> None:
        self._task, self._stops = task, stops
        self.done: list[Measured] = []
        self.stopped = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._task, name)

    def train(self, trial: Trial, *, device: str, check: Callable[[], None]) -> Iterator[Measured]:
        """As in `Task`."""
        for measured in self._task.train(trial, device=device, check=check):
            self.done.append(measured)
            yield measured
            epoch = len(self.done)
            if self._stops is not None and epoch < trial.epochs and self._stops(epoch, measured.value):
                self.stopped = True
                raise _StoppedError


class _Done(_Watched):
    """Trains nothing: measures what was measured."""

    def __init__(self, task: RegimeTask, done: list[Measured]) -> None:
        super().__init__(task, None)
        self.done = done

    def train(self, trial: Trial, *, device: str, check: Callable[[], None]) -> Iterator[Measured]:
        """As in `Task`."""
        yield from self.done


# The ways.


def joint(search: Search) -> Iterator[str]:
    """nars' own stages 2 and 3, of architecture and recipe together."""
    ground = search.ground
    yield from _looped(search, str(space_file(ground.regime.space)), lambda row: row)


def architecture_only(search: Search) -> Iterator[str]:
    """The same with the recipe that people take first, a ResNet's SGD."""
    space = search.ground.space
    usual = space.canonical(usual_recipe(space, USUAL_RECIPES["sgd"])[None])[0]
    (settings,) = space.recipes(usual[None])
    document = dict(read_document(space_file(search.ground.regime.space)).content)
    document |= {"name": "architectures", "recipe": dict(settings)}
    file = search.folder / "architectures.yaml"
    write_text(file, dump_yaml(document))
    own = load_space(str(file), classes=space.classes, in_channels=space.in_channels)

    def whole(row: Population) -> Population:
        full = usual.copy()
        full[space.columns_of("architecture")] = row[own.columns_of("architecture")]
        return np.asarray(space.canonical(full[None])[0], dtype=np.int64)

    yield from _looped(search, str(file), whole)


def _looped(search: Search, space: str, whole: Callable[[Population], Population]) -> Iterator[str]:
    """Rounds until the time is used; `whole` makes a row of the campaign's space of one of this loop's."""
    loop = _loop(search, space)
    while not search.over and (trial := loop.ask()) is not None:
        sample = search.train(whole(np.array(trial.choices)), epochs=trial.epochs)
        if sample.status == "ok":
            loop.tell(trial, sample.curve, seconds=sample.seconds)
        else:
            loop.fail(trial, sample.message, status=sample.status, seconds=sample.seconds)
        yield _said(search, sample)
    own = loop.run.space  # stage 3 as runs have it, of what the time was enough for
    good = [sample for sample in loop.samples if sample.status == "ok"]
    epoch = min(sample.epochs for sample in good)
    best = sorted(good, key=lambda sample: -label(sample, epoch))[:SEED_POPULATION]
    found = search_family(
        own,
        scorer(own, loop.predictor),
        [Bounds.at_most(flops=BUDGET)],
        rng=np.random.default_rng(search.seed),
        seed_population=np.array([sample.choices for sample in best]),
    )
    yield search.found(whole(found.rows[0]))


def _loop(search: Search, space: str) -> Loop:
    ground = search.ground
    config = {
        "name": search.way,
        "space": space,
        "seed": search.seed,
        "task": {"loop": "regime", "data": ground.task.data},
        "metric": {"name": "accuracy", "unit": "%", "low": 0.0, "high": 100.0},
        "range": {"flops": {"low": ground.regime.flops[0], "high": BUDGET}},
        "pretraining": {"pool": 256 if ground.rehearsed else _POOL},
        "collect": {
            "rounds": 4 if ground.rehearsed else _ROUNDS,
            "per_round": 3 if ground.rehearsed else _PER_ROUND,
            "epochs": ground.regime.epochs,
            "propose": "improvement",
        },
    }
    shutil.rmtree(search.folder / "run", ignore_errors=True)  # it asks from its start, so that all of the time counts
    return open_loop(load_config(config), search.folder / "run", reporter=Silent())


def tpe_with_asha(search: Search) -> Iterator[str]:
    """Optuna's; a candidate that is too large is a failed trial to it, and costs nothing."""
    space, epochs = search.ground.space, search.ground.regime.epochs
    study, best, seen = optuna_study(RIVALS["tpe-asha"], length=epochs, seed=search.seed), None, -np.inf
    from optuna.trial import TrialState

    while not search.over:
        trial = study.ask()
        row = _row(space, suggest(space, trial))
        if space.costs(row[None])["flops"][0] > BUDGET:
            study.tell(trial, state=TrialState.FAIL)
            continue

        def stops(epoch: int, value: float, trial: Any = trial) -> bool:
            trial.report(value, epoch)
            return bool(trial.should_prune())

        sample = search.train(row, epochs=epochs, stops=stops)
        if sample.result is None:
            study.tell(trial, state=TrialState.FAIL)
        else:
            whole = sample.epochs == epochs
            if whole:
                study.tell(trial, sample.result)
            else:  # of which Optuna has what was reported
                study.tell(trial, state=TrialState.PRUNED)
            if whole and sample.result > seen:
                best, seen = row, sample.result
        yield _said(search, sample)
    if best is None:
        raise SystemExit(f"{search.folder} has no training to the end yet; give it more seconds")
    yield search.found(best)


def _row(space: Space, choices: list[int]) -> Population:
    return np.asarray(space.canonical(np.array([choices], dtype=np.int64))[0], dtype=np.int64)


def _said(search: Search, sample: Sample) -> str:
    value = sample.message if sample.result is None else f"{sample.result:.2f} %"
    return f"{search.way}, seed {search.seed}: {value} after {sample.epochs} epochs, {search.used:.0f} s"


WAYS: Mapping[str, Callable[[Search], Iterator[str]]] = {
    "joint": joint,
    "architecture-only": architecture_only,
    "tpe-asha": tpe_with_asha,
}
