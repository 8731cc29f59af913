"""Population based training (arXiv 1711.09846) of `bench_rivals.py`: Ray Tune's, on checkpoints of our own loop."""

from __future__ import annotations

import logging
import random
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import ray
import torch
from ray import tune
from ray.tune.schedulers import PopulationBasedTraining

from rivals_trainings import EPOCHS, FULL, Found, Training, space

_EVERY = 3
"""Epochs between two looks at the population."""
_WEIGHTS = "training.pt"


class Member(tune.Trainable):
    """A training whose weights and recipe Ray Tune exchanges for another's."""

    def setup(self, config: dict[str, Any]) -> None:
        """Begin by the recipe of a configuration."""
        self.training = Training(config, seed=config["seed"])

    def reset_config(self, config: dict[str, Any]) -> bool:
        """Begin anew by another, in the same process."""
        self.setup(config)
        return True

    def step(self) -> dict[str, Any]:
        """An epoch."""
        value = self.training.epoch()
        last = self.training.epochs == EPOCHS
        test = self.training.test if last else None
        return {"accuracy": value, "seconds": self.training.seconds, "done": last, "test": test}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """As our final training does."""
        torch.save(self.training.loop.state_dict(), Path(checkpoint_dir) / _WEIGHTS)

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Weights of this member or of a better one, to go on with by the recipe that it has now."""
        self.training.loop.take_over(torch.load(Path(checkpoint) / _WEIGHTS, weights_only=True))


class _Count(tune.Callback):
    """Epochs and seconds of all members, those included whose weights were given up."""

    def __init__(self) -> None:
        self.epochs, self.seconds = 0, 0.0

    def on_trial_result(self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **_: Any) -> None:
        """As Ray Tune calls it."""
        self.epochs, self.seconds = self.epochs + 1, self.seconds + result["seconds"]


def population(seed: int) -> Found:
    """Train one, a member at a time."""
    random.seed(seed)  # Ray's scheduler draws from these
    np.random.seed(seed)  # noqa: NPY002
    if not ray.is_initialized():
        priority = {"worker_niceness": 0}  # as the other searches have, which train in this process
        ray.init(
            num_cpus=1,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
            _system_config=priority,
        )
    choices: dict[str, Any] = {dimension.name: list(dimension.values) for dimension in space().dimensions}
    count = _Count()
    with tempfile.TemporaryDirectory() as folder:
        results = tune.Tuner(
            Member,
            param_space={"seed": tune.grid_search(list(range(1000 * seed, 1000 * seed + FULL))), "recipe.ema": True},
            tune_config=tune.TuneConfig(
                metric="accuracy",
                mode="max",
                reuse_actors=True,
                scheduler=PopulationBasedTraining(
                    time_attr="training_iteration", perturbation_interval=_EVERY, hyperparam_mutations=choices
                ),
            ),
            run_config=tune.RunConfig(name="pbt", storage_path=folder, verbose=0, callbacks=[count]),
        ).fit()
    ended = [results[place].metrics or {} for place in range(len(results))]
    whole = [metrics for metrics in ended if metrics.get("test") is not None]
    best = max(whole, key=lambda metrics: metrics["accuracy"])
    return Found(
        value=best["accuracy"],
        test=best["test"],
        whole=len(whole),
        epochs=count.epochs,
        seconds=round(count.seconds, 2),
    )
