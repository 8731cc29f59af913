"""Final training of one network, resumable at any moment, with or without a teacher (FBNetV3, distillation)."""

from __future__ import annotations

import hashlib
import io
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor, nn

from nars.files.atomic import machine_at_fault, write_bytes
from nars.images import ImageData
from nars.metric import ACCURACY, Metric
from nars.parallel import torch_threads
from nars.printing import brief_repr
from nars.recipe import (
    ALONE,
    POLICY_FILE,
    Drawn,
    Online,
    Peers,
    Recipe,
    Teaching,
    TrainingLoop,
    TrainingSettings,
    class_table,
    scores,
)
from nars.train.course import Course, Epoch, Straight
from nars.train.deadline import Deadline
from nars.train.mistakes import keep_mistakes
from nars.train.online import OnlineCourse
from nars.train.result import MemberResult, TrainError

CHECKPOINT, WEIGHTS, RESULT = "checkpoint.pt", "model.safetensors", "result.json"
"""Files in the folder of a training; the checkpoint is deleted when the result is there."""


@dataclass(frozen=True, kw_only=True)
class EpochReport:
    """What is known after an epoch. Accuracies are of validation images, and values of the training's metric."""

    __repr__ = brief_repr

    epoch: int
    """Epochs done, from 1."""
    epochs: int
    loss: float
    accuracy: float
    ema_accuracy: float | None
    """None when the recipe has no EMA."""
    metric: Metric = ACCURACY
    learning_rate: float
    """In the last step."""
    seconds: float
    """Since the training began, interrupted runs included."""


@dataclass
class _History:
    """What the training has shown so far; part of the checkpoint."""

    losses: list[float] = field(default_factory=list)
    curve: list[float] = field(default_factory=list)
    ema_curve: list[float] = field(default_factory=list)
    seconds: float = 0.0
    under_way: float = 0.0
    """Of these, the seconds of the epoch that is not done."""

    def add(self, epoch: Epoch) -> None:
        self.losses.append(epoch.loss)
        self.curve.append(epoch.accuracy)
        if epoch.ema_accuracy is not None:
            self.ema_curve.append(epoch.ema_accuracy)

    def report(self, epochs: int, learning_rate: float, metric: Metric) -> EpochReport:
        return EpochReport(
            epoch=len(self.curve),
            epochs=epochs,
            loss=self.losses[-1],
            accuracy=self.curve[-1],
            ema_accuracy=self.ema_curve[-1] if self.ema_curve else None,
            metric=metric,
            learning_rate=learning_rate,
            seconds=self.seconds,
        )


def train_network(
    model: nn.Module,
    recipe: Recipe,
    data: ImageData,
    settings: TrainingSettings,
    *,
    folder: Path,
    seed: int,
    teaching: Teaching | None = None,
    augmenting: Online | Drawn | None = None,
    device: str = "cpu",
    threads: int | None = None,
    peers: Peers = ALONE,
    metric: Metric = ACCURACY,
    checkpoint_every: int | None = None,
    deadline: Deadline | None = None,
    on_epoch: Callable[[EpochReport], None] | None = None,
    on_steps: Callable[[int, int], None] | None = None,
) -> MemberResult:
    """Train any network by a recipe to the end of the schedule, and measure it on the test split once.

    The folder gets a checkpoint after every epoch. A training that was killed at any moment and is started again with
    the same arguments goes on from there, to the same weights as if nothing had happened (bit for bit on the CPU with
    the same number of threads); one that is done returns its result at once.

    Args:
        model, recipe, data, settings, seed, teaching, device: As `TrainingLoop` takes them.
        folder: For this training alone; gets `WEIGHTS`, `MISTAKES` and `RESULT`, and `POLICY_FILE` where augmentation
            is drawn.
        augmenting: How augmentation changes while training; None is by the recipe from start to end. What is learned is
            learned from the validation split, never from the test split.
        threads: torch threads to use meanwhile; None leaves the process's setting.
        peers: The processes that train together (`nars.recipe.joined_peers`), on one folder that all of them see.
        metric: One of `nars.metric.IMAGE_METRICS`, by which the better weights are kept.
        checkpoint_every: Also write a checkpoint every so many steps, for long epochs.
        deadline: When to be done: after each epoch the schedule becomes as long as the time that is left, so that equal
            arguments no longer give equal weights. Not where augmentation is learned.
        on_epoch: Told after every epoch; where augmentation is learned, of all epochs of a chunk at its end.
        on_steps: Told (steps done, steps in all) after every epoch or `checkpoint_every` steps.

    Raises:
        TrainError: the folder holds a training with other arguments, or a file that is none.
        RecipeError: an argument out of range.
        DivergedError: the loss is not finite; the last checkpoint stays.
    """
    initial = _hash(model.state_dict())
    loop = TrainingLoop(
        model, recipe, data, settings, seed=seed, device=device, teaching=teaching, peers=peers, metric=metric
    )
    epochs = loop.epochs
    taught = None if teaching is None else [_hash(teaching.network.state_dict()), teaching.resolution]
    decides = {"loop": loop.settings, "network": initial, "teacher": taught}
    if augmenting is not None:  # trainings before it lack it
        decides["augmenting"] = augmenting.described()
    if metric != ACCURACY:
        decides["metric"] = metric.name
    document = json.dumps(decides, sort_keys=True)
    identity = hashlib.sha256(document.encode()).hexdigest()[:32]
    if (folder / RESULT).exists():
        result = MemberResult.load(folder / RESULT)
        _require_same(result.identity, identity, folder)
        return result
    with torch_threads(threads):
        course = _course(loop, recipe, data, epochs=epochs, seed=seed, augmenting=augmenting)
        history = _resume(course, folder / CHECKPOINT, identity)
        if history.curve:
            each = (history.seconds - history.under_way) / len(history.curve)
            _fit(course, deadline, done=len(history.curve), seconds=each)
        while not course.done:
            start = time.perf_counter()
            finished = course.advance(checkpoint_every)
            spent = time.perf_counter() - start
            history.seconds += spent
            history.under_way += spent
            if finished:
                _fit(course, deadline, done=len(history.curve) + 1, seconds=history.under_way)
                history.under_way = 0.0
            for epoch in finished:
                history.add(epoch)
                if on_epoch is not None and peers.first:
                    # Before the checkpoint: killed in between, the same report comes twice rather than never.
                    on_epoch(history.report(_length(course, epochs), epoch.learning_rate, metric))
            if peers.first:
                _save(course, folder / CHECKPOINT, identity, history)
            if on_steps is not None and peers.first:
                on_steps(*course.steps)
        if course.policy is not None and peers.first:
            course.policy.save(folder / POLICY_FILE, recipe)
        return _finish(loop, data, folder, identity, history, peers=peers)


def _course(
    loop: TrainingLoop, recipe: Recipe, data: ImageData, *, epochs: int, seed: int, augmenting: Online | Drawn | None
) -> Course:
    if isinstance(augmenting, Online):
        return OnlineCourse(loop, data, recipe, epochs=epochs, seed=seed, online=augmenting)
    return Straight(loop, data, recipe, epochs=epochs, seed=seed, drawn=augmenting)


def _fit(course: Course, deadline: Deadline | None, *, done: int, seconds: float) -> None:
    """Make the schedule as long as the time that is left, now that an epoch takes so many seconds."""
    if deadline is not None and isinstance(course, Straight):
        course.end_after(deadline.epochs(done, seconds))


def _length(course: Course, epochs: int) -> int:
    return course.epochs if isinstance(course, Straight) else epochs


def _resume(course: Course, path: Path, identity: str) -> _History:
    """Bring the training to where the checkpoint was written; a fresh history if there is none."""
    if not path.exists():
        return _History()
    try:
        saved = torch.load(path, weights_only=True, map_location="cpu")  # wherever it was written; the loop copies it
        theirs, history = saved["identity"], _History(**saved["history"])
    except Exception as error:  # torch names its reasons in many classes
        if machine_at_fault(error):
            raise
        raise TrainError(
            f"{path} is not a checkpoint of a training ({type(error).__name__}). Delete it to train again."
        ) from error
    _require_same(theirs, identity, path.parent)
    course.load_state_dict(saved["loop"])
    return history


def _save(course: Course, path: Path, identity: str, history: _History) -> None:
    buffer = io.BytesIO()  # torch's own writing hides that a disk is full
    torch.save({"identity": identity, "history": asdict(history), "loop": course.state_dict()}, buffer)
    write_bytes(path, buffer.getbuffer())


def _finish(
    loop: TrainingLoop, data: ImageData, folder: Path, identity: str, history: _History, *, peers: Peers
) -> MemberResult:
    """Keep the better weights, look at the test split once, and write the result."""
    metric = loop.metric
    uses_ema = bool(history.ema_curve) and metric.score(history.ema_curve[-1]) >= metric.score(history.curve[-1])
    model = loop.ema_model if uses_ema else loop.model
    assert model is not None
    if peers.first:
        weights = {name: value.contiguous().cpu() for name, value in model.state_dict().items()}
        write_bytes(folder / WEIGHTS, save(weights))
    value = (history.ema_curve if uses_ema else history.curve)[-1]
    logits = loop.outputs(data.test, ema=uses_ema)
    found = scores(logits, data.test.labels)
    result = MemberResult(
        test_accuracy=found[ACCURACY.name],
        validation_accuracy=value if metric == ACCURACY else loop.accuracy(data.validation, ema=uses_ema),
        metric=metric.name,
        validation_value=value,
        test_scores=found,
        test_classes=class_table(logits, data.test.labels, data.classes),
        uses_ema=uses_ema,
        losses=tuple(history.losses),
        curve=tuple(history.curve),
        ema_curve=tuple(history.ema_curve),
        seconds=history.seconds,
        identity=identity,
        weights=folder / WEIGHTS,
    )
    if peers.first:
        keep_mistakes(logits, data, folder)
        result.save(folder / RESULT)
        (folder / CHECKPOINT).unlink(missing_ok=True)
    peers.wait()
    return result


def _require_same(theirs: str, ours: str, folder: Path) -> None:
    if theirs != ours:
        raise TrainError(
            f"{folder} holds a training with other settings, data, network or teacher. Use another folder or delete it."
        )


def _hash(state: Mapping[str, Tensor]) -> str:
    """Content hash of a state dict: names, shapes, values."""
    digest = hashlib.sha256()
    for name, value in state.items():
        digest.update(f"{name} {tuple(value.shape)} {value.dtype}".encode())
        digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
