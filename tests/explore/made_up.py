"""A run with ten thousand outcomes and a predictor: its figures are made up, all else is real."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from nars.files.sealed import write_sealed
from nars.predictors import PRESETS, Predictor
from nars.run import Run, Silent, load_config, open_run
from nars.run.folder import read_json
from nars.space import sobol
from nars.stages import write_predictor
from nars.store import Sample, SampleStore


def sample_of(run: Run, row: list[int], value: float, seed: int) -> Sample:
    X = np.array([row])
    return Sample(
        record=run.space.to_records(X)[0],
        choices=tuple(row),
        costs={name: float(cost[0]) for name, cost in run.space.costs(X).items()},
        status="ok",
        epochs=4,
        planned_epochs=4,
        seconds=1.0,
        seed=seed,
        space=run.space.fingerprint,
        data="made up",
        fidelity="made up",
        value=value,
        curve=(value / 4, value / 2, 0.9 * value, value),
        round=1 + seed % 4,
        finished=f"2026-01-01T00:00:{seed % 60:02d}",
    )


SHORT = {"final.epochs": 1, "final.warmup_epochs": 0, "final.teacher": "none", "final.batch_size": 256}
"""Final training that is over at once."""


def made_up_run(folder: Path) -> Run:
    run = open_run(load_config("digits", SHORT), folder, reporter=Silent())
    space, count = run.space, 10_000
    X = sobol(space, 500, seed=1)
    values = 40 + 10 * np.log10(space.costs(X)["params"]) - 0.1 * X[:, -1]
    few = [sample_of(run, row, value, 0) for row, value in zip(X.tolist(), values.tolist(), strict=True)]
    again = [replace(few[n % 500], key=f"{n}", seed=n, round=1 + n % 4) for n in range(count)]
    SampleStore(run.folder.samples).append(again)
    settings = replace(PRESETS["default"], members=2, pretrain_epochs=0, frozen_epochs=2, joint_epochs=4)
    model = Predictor.pretrained(space, X, seed=0, settings=settings).fit(space.encode(X[:60]), values[:60], seed=0)
    data = read_json(run.folder.run_file)["data"]["fingerprint"]
    write_predictor(run.folder.predictor, model, space=space, data=data, quality={})
    round_ = {"round": 1, "stop_epoch": 4, "statuses": {"ok": 2}, "predicted": [None, None], "measured": [90.0, 91.0]}
    write_sealed(run.folder.round_result(1), round_ | {"tau": None})
    return run
