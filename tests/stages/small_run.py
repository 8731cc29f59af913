"""A run of a user's own, in a space of a user's own, that is computed in seconds."""

from pathlib import Path
from typing import Any

from nars.files.atomic import write_json
from nars.predictors import Predictor
from nars.run import Run, Silent, execution, load_config, open_run
from nars.space import Bounds, sobol
from nars.stages import (
    CandidatePool,
    Family,
    TrainedFamily,
    collect,
    load_family,
    load_fitted,
    load_pool,
    load_pretrained,
    load_trained,
    pretrain,
    sample_pool,
    search,
    train,
)

SPACE = """
# A space of a user's own.
name: mine
architecture:
  classes: 10
  in_channels: 1
  resolution: 8
  stem: {channels: [8, 16], stride: 1}
  stages:
    - {kernel: [3, 5], expand: {low: 1, high: 3}, channels: [8, 16], depth: {low: 1, high: 2}}
  head: {expand: 2, channels: 32}
recipe:
  learning_rate: {low: 0.002, high: 0.05, count: 5, scale: log}
  optimizer: [sgd, adamw]
"""

CONFIG = """
name: small
space: mine.yaml
data: {name: digits, validation: 0.75, flip: false, crop: 0.0, max_train: 120}
flops: {low: 20k, high: 200k}
pretraining: {pool: 64}
collect: {rounds: 2, per_round: 3, epochs: 2, warmup_epochs: 0, batch_size: 48}
search: {budgets: [30k, 150k]}
final: {epochs: 1, warmup_epochs: 0, policy: none, batch_size: 96, ema_decay: 0.9}
"""

HOW = execution(engine="in-process", workers=1, device="cpu")


def write_files(folder: Path, config: str = CONFIG) -> Path:
    """Space and configuration; the path of the latter."""
    (folder / "mine.yaml").write_text(SPACE)
    (folder / "small.yaml").write_text(config)
    return folder / "small.yaml"


def run_with_family(config: Path, folder: Path, budgets: dict[str, float], **final: Any) -> Run:
    """A run whose family, {name: FLOPs}, is drawn from the space instead of searched."""
    overrides = {f"final.{key}": value for key, value in final.items()}
    run = open_run(load_config(config, overrides), folder, execution=HOW, reporter=Silent())
    members = []
    for name, budget in budgets.items():
        X = sobol(run.space, 1, seed=1, bounds=Bounds({"flops": (0.9 * budget, budget)}))
        members.append(
            {
                "name": name,
                "budget": budget,
                "choices": X[0].tolist(),
                "record": run.space.to_records(X)[0],
                "costs": {key: float(cost[0]) for key, cost in run.space.costs(X).items()},
                "predicted": 50.0,
                "predicted_std": 1.0,
                "history": [[1, 50.0]],
                "seconds": 0.0,
            }
        )
    write_json(run.folder.family_file, {"members": members})
    return run


def upto_pretrain(run: Run) -> tuple[CandidatePool, Predictor]:
    """Stage 1 of a run as its folder has it, or computed, as `run_all` does it; so do the others."""
    pool = load_pool(run) or sample_pool(run)
    return pool, load_pretrained(run) or pretrain(run, pool)


def upto_collect(run: Run) -> Predictor:
    return load_fitted(run) or collect(run, *upto_pretrain(run))


def upto_search(run: Run) -> Family:
    return load_family(run) or search(run, upto_collect(run))


def upto_train(run: Run) -> TrainedFamily:
    family = upto_search(run)
    return load_trained(run, family) or train(run, family)
