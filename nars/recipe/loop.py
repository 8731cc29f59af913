"""The one training loop of the package: short trainings of the search and the final ones with a teacher."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence, Set
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any, cast, final

import torch
from torch import Tensor, nn

from nars.images import ImageData, Split, StreamedSplit
from nars.metric import ACCURACY, Metric
from nars.printing import counted
from nars.recipe.accuracy import DivergedError, evaluate_together, outputs
from nars.recipe.answers import answers_of
from nars.recipe.augmentation import EpochPlan
from nars.recipe.balance import balance_of
from nars.recipe.batches import Batch, Batches, parts
from nars.recipe.depth import treatments
from nars.recipe.ema import MovingAverage
from nars.recipe.frozen import Frozen
from nars.recipe.generators import generators_of, left_alone
from nars.recipe.labels import check_labels
from nars.recipe.loss import training_loss
from nars.recipe.narrow import order_narrow
from nars.recipe.optimizer import build_optimizer, flatten
from nars.recipe.peers import ALONE, Peers, synchronize_batch_norm
from nars.recipe.precision import Precision
from nars.recipe.recipe import Recipe, RecipeError, require
from nars.recipe.recorded import Recorded, recordable
from nars.recipe.regularizers import disturb
from nars.recipe.settings import Teaching, TrainingSettings, settings_by

_CHECK_EVERY = 16
"""Steps between looks at the loss: on a GPU each look waits for the device."""

_OF_RECIPES = frozenset({"recipe", "seed", "learning_rate", "augmentation", "schedule", "batch_size"})
"""What may be another in a training that is taken over."""

_LAYS_OUT = ("optimizer", "layer_decay", "head_factor", "freeze")
"""Settings of a recipe by which an optimizer's moments are laid out."""


@dataclass(frozen=True, kw_only=True)
class EpochStats:
    """What one call of `train_epoch` did."""

    loss: float
    """Mean over all steps of its epoch so far."""
    images: int
    """Trained on in this call, over all processes."""
    learning_rate: float
    """In its last step."""


@final
class TrainingLoop:
    """Trains a network by a recipe, one epoch or a few steps at a time, and can be stopped and resumed at any step.

    Every random draw is a function of (seed, epoch, step): order of the images, crops, mixing, dropout, stochastic
    depth. So two loops with the same arguments train the same network to the same weights, bit for bit on the CPU with
    the same number of threads, whether or not one of them was saved and loaded on the way; torch's global generator is
    left as it was.

    Example:
        settings = TrainingSettings(schedule=Schedule(epochs=10), batch_size=64)
        loop = TrainingLoop(model, recipe, data, settings, seed=0)
        while loop.epoch < 10:
            stats = loop.train_epoch()
        print(loop.accuracy(data.validation, ema=True))
    """

    def __init__(
        self,
        model: nn.Module,
        recipe: Recipe,
        data: ImageData,
        settings: TrainingSettings,
        *,
        seed: int,
        device: str | torch.device = "cpu",
        teaching: Teaching | None = None,
        peers: Peers = ALONE,
        metric: Metric = ACCURACY,
    ) -> None:
        """Prepare a training; `model` is trained in place, and must not be moved or cast while the loop is in use.

        Args:
            model: Built with the recipe's dropout and stochastic depth.
            recipe: Everything else is taken from it.
            data: At the resolution to train at.
            settings: How to train; the end of their schedule is the end of the training.
            seed: >= 0.
            device: Where to train.
            teaching: Who teaches it, beside the labels; None trains by labels alone.
            peers: The processes that train together, each calling with the same arguments: gradients and batch norm are
                those of the global batch.
            metric: What `measure` measures, one of `nars.metric.IMAGE_METRICS` that goes with the labels.

        Raises:
            RecipeError: a seed out of range, a batch that cannot be shared out, no training images, or a loss, balance
                or metric that does not go with their labels.
        """
        require(len(data.train) > 0, "the training images", "at least one", len(data.train))
        require(seed >= 0, "seed", ">= 0", seed)
        check_labels(recipe, metric, multi_label=data.multi_label)
        settings = settings_by(recipe, settings)
        self._device, self._peers = torch.device(device), peers
        self._generators = generators_of(self._device)
        self._training, self._schedule = settings, settings.schedule
        self._batches = Batches(
            data,
            batch_size=settings.batch_size,
            augmentation=settings.augmentation,
            recipe=recipe,
            seed=seed,
            peers=peers,
            device=self._device,
            clean=teaching is not None and teaching.sees == "clean",
            rendered=None if teaching is None or teaching.sees == "whole" else teaching.renders,
        )
        self.model = model.to(self._device)
        """The network being trained."""
        order_narrow(self.model, self._device)
        disturb(self.model, recipe, (1, data.in_channels, data.resolution, data.resolution))
        if peers.count > 1:
            self.model = synchronize_batch_norm(self.model, self._device)
        ways = treatments(self.model, recipe)
        self._groups = flatten(self.model, weight_decay=recipe.weight_decay, treatments=ways)
        frozen_steps = round(recipe.freeze_share * settings.schedule.epochs * self._batches.steps)
        self._frozen = Frozen(self.model, self._groups, steps=frozen_steps)
        self._learning_rate = recipe.effective_learning_rate * settings.learning_rate_scale
        self._optimizer = build_optimizer(recipe, self._groups, learning_rate=self._learning_rate)
        decay, warmup = settings.ema_decay, settings.ema_warmup
        self._ema = MovingAverage(self.model, decay=decay, warmup=warmup) if recipe.ema else None
        self._forward = self.model
        if settings.compiler is not None:
            # Else the ninth network of a process would be one recompilation too many and train uncompiled, in silence.
            torch.compiler.reset()
            self._forward = cast(nn.Module, torch.compile(self.model, backend=settings.compiler))
        self._precision = Precision(self._device, amp=settings.amp)
        if teaching is not None:
            teaching.network.to(self._device).eval()
            teaching = replace(teaching, network=self._precision.of(teaching.network))
            if teaching.sees == "whole":
                with self._precision.computing():
                    self._batches.answers = answers_of(
                        teaching, data, self._batches.normalize, device=self._device, peers=peers
                    )
        networks = [self.model] if teaching is None or teaching.sees == "whole" else [self.model, teaching.network]
        alike = recordable(networks, settings, device=self._device, processes=peers.count)
        self._recorded = Recorded(self._device) if alike and not self._precision.scaled else None
        self._recipe, self._teaching = recipe, teaching
        self.metric = metric
        """What the network is measured by."""
        self._balance = balance_of(recipe, data.train.labels, classes=len(data.classes), device=self._device)
        self.epoch = 0
        """Epochs done."""
        self._rate = 0.0
        self.step = 0
        """Steps done in the current epoch, 0 <= step < steps_per_epoch."""
        self._loss = torch.zeros((), dtype=_exact(self._device), device=self._device)
        self._plan: EpochPlan | None = None
        described = settings.described()
        del described["learning_rate_scale"]
        self._settings: dict[str, Any] = described | {
            "recipe": recipe.to_dict(),
            "batch_size": self._batches.batch_size,
            "seed": seed,
            "learning_rate": self._learning_rate,
            **({"distillation": None, "teacher_resolution": None} if teaching is None else teaching.described()),
            "processes": peers.count,
            "data": data.fingerprint,
            "resolution": data.resolution,
        }

    @property
    def ema_model(self) -> nn.Module | None:
        """The averaged network, in evaluation mode; None when the recipe has no EMA."""
        return None if self._ema is None else self._ema.model

    @property
    def settings(self) -> dict[str, Any]:
        """What the training depends on beside the network and the teacher, as plain values."""
        return dict(self._settings)

    @property
    def epochs(self) -> int:
        """Of the whole training, as it stands: those of the settings, unless the recipe or `end_after` has others."""
        return self._schedule.epochs

    @property
    def steps_per_epoch(self) -> int:
        """Steps of one epoch."""
        return self._batches.steps

    def vary(self, recipe: Recipe) -> None:
        """Vary the images from here on as another recipe says, that only differs in augmentation.

        At the start of an epoch, or where `load_state_dict` has left the loop in one that was trained like that.
        """
        assert self._plan is None
        self._batches.vary(recipe, settings_by(recipe, self._training).augmentation)

    def end_after(self, epochs: int) -> None:
        """End the training after so many epochs in all: from here on the learning rate follows a schedule of that
        length. Of those already done or begun none is undone; how long parts stay frozen does not change.
        """
        epochs = max(1, epochs, self.epoch + (self.step > 0))
        warmup = min(self._schedule.warmup_epochs, epochs)
        self._schedule = replace(self._schedule, epochs=epochs, warmup_epochs=warmup)

    def train_epoch(self, max_steps: int | None = None) -> EpochStats:
        """Train to the end of the current epoch, or for at most `max_steps` (>= 1) steps of it.

        Raises:
            DivergedError: the loss is not finite; the weights are spoilt.
            RecipeError: the schedule is at its end.
        """
        if self.epoch >= self._schedule.epochs:
            raise RecipeError(
                f"the schedule ends after {counted(self._schedule.epochs, 'epoch')}; make it longer to train on."
            )
        first = self.step
        plan = self._plan = self._batches.plan(self.epoch) if self._plan is None else self._plan
        last = self.steps_per_epoch if max_steps is None else min(first + max_steps, self.steps_per_epoch)
        self.model.train()
        with left_alone(self._generators):
            while self.step < last:
                self._train_step(plan, self.step)
                self.step += 1
                if self.step % _CHECK_EVERY == 0 or self.step == last:
                    loss = self._mean_loss()
        if self.step == self.steps_per_epoch:
            self.epoch, self.step, self._plan = self.epoch + 1, 0, None
            self._loss.zero_()
        return EpochStats(loss=loss, images=(last - first) * self._batches.batch_size, learning_rate=self._rate)

    def _train_step(self, plan: EpochPlan, step: int) -> None:
        self._seed_torch(int(plan.torch_seeds[step]))
        # The factor at the middle of the step: above 0 in the first of a warm-up and in the last of a cosine.
        factor = self._schedule.factor(self.epoch + (step + 0.5) / self.steps_per_epoch)
        self._rate = self._learning_rate * factor
        for group, flat in zip(self._optimizer.param_groups, self._groups, strict=True):
            group["lr"] = self._rate * flat.factor
        if self._frozen.begin(self.epoch * self.steps_per_epoch + step) and self._recorded is not None:
            self._recorded = Recorded(self._device)  # another part of the network is trained from here on
        batch = self._batches.batch(plan, step)
        if not self._training.channels_last:
            batch = batch.each(Tensor.contiguous)
        gradients = [flat.vector.grad for flat in self._groups if flat.vector.grad is not None]
        for gradient in gradients:
            gradient.zero_()
        if self._recorded is not None:
            self._recorded(self._backward, batch)
        else:
            for part in [batch] if self._training.accumulation == 1 else parts(batch, self._training.accumulation):
                self._backward(part, weight=len(part.images) / len(batch.images))
        for gradient in gradients:
            # DistributedDataParallel would sum a hundred small tensors in buckets; here they are one vector already.
            self._peers.sum_(gradient)
            if self._peers.count > 1:
                gradient.div_(self._peers.count)
        self._precision.scaler.step(self._optimizer)
        self._precision.scaler.update()
        if self._ema is not None:
            self._ema.update(self.epoch * self.steps_per_epoch + step + 1)

    def _backward(self, batch: Batch, *, weight: float = 1.0) -> None:
        """Add the gradient of `weight` times the loss."""
        with self._precision.computing():
            logits = self._forward(batch.images)
        loss = weight * training_loss(
            logits.float(),
            batch.shown,
            batch.labels,
            share=batch.share,
            recipe=self._recipe,
            teaching=self._teaching,
            balance=self._balance,
            answers=batch.answers,
        )
        self._precision.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        self._loss += loss.detach()

    def _seed_torch(self, seed: int) -> None:
        """For dropout, stochastic depth and erasing: other draws in every process."""
        seed = (seed + self._peers.rank) % 2**63
        # torch.manual_seed would queue seeds for absent devices, at 1 ms a call; torch.cuda's seeds the current GPU.
        for generator in self._generators:
            generator.manual_seed(seed)

    def _mean_loss(self) -> float:
        """Mean loss of the epoch so far over all processes, which thus agree on whether it is finite."""
        loss: float = self._peers.sum_(self._loss.clone()).item() / (self.step * self._peers.count)
        if not math.isfinite(loss):
            raise DivergedError(
                f"the loss stopped being finite in epoch {self.epoch + 1}, by step {self.step} of "
                f"{self.steps_per_epoch}; the learning rate ({self._learning_rate:g}) is too high for this network."
            )
        return loss

    def accuracy(
        self, split: Split | StreamedSplit, *, ema: bool = False, exact: bool = False, batch_size: int = 512
    ) -> float:
        """Top-1 accuracy on `split` in percent, of the network or of its moving average.

        It is computed as the training is; with `exact` in float32 in any case.

        Raises:
            DivergedError: the outputs are not finite.
            RecipeError: the moving average is asked for and the recipe has none, or the split is empty.
        """
        (value,) = self._evaluate([self._measured(ema)], split, ACCURACY, exact=exact, batch_size=batch_size)
        return value

    def measure(self, split: Split | StreamedSplit, *, ema: bool = False, exact: bool = False) -> float:
        """The training's metric on `split`, as `accuracy`."""
        (value,) = self._evaluate([self._measured(ema)], split, self.metric, exact=exact)
        return value

    def measure_both(self, split: Split | StreamedSplit) -> tuple[float, float | None]:
        """`measure` of the network and of its moving average, None where the recipe has none; images are read once."""
        if self.ema_model is None:
            return self.measure(split), None
        value, averaged = self._evaluate([self.model, self.ema_model], split, self.metric)
        return value, averaged

    def _evaluate(
        self,
        models: Sequence[nn.Module],
        split: Split | StreamedSplit,
        metric: Metric,
        *,
        exact: bool = False,
        batch_size: int = 512,
    ) -> list[float]:
        with nullcontext() if exact else self._precision.computing():
            return evaluate_together(
                models,
                split,
                self._batches.normalize,
                metric=metric,
                device=self._device,
                batch_size=batch_size,
                peers=self._peers,
            )

    def outputs(self, split: Split | StreamedSplit, *, ema: bool = False) -> Tensor:
        """Logits for `split` in float32, (N, classes); errors as `accuracy`."""
        of = [self._measured(ema)]
        (logits,) = outputs(of, split, self._batches.normalize, device=self._device, peers=self._peers)
        return logits

    def _measured(self, ema: bool) -> nn.Module:
        model = self.ema_model if ema else self.model
        if model is None:
            raise RecipeError("this recipe keeps no moving average (ema is false); ask for the accuracy without it.")
        return model

    def state_dict(self) -> dict[str, Any]:
        """All that a training needs to go on, as tensors and plain types: `torch.load(weights_only=True)` reads it."""
        optimizer = self._optimizer.state_dict()
        return {
            "settings": self._settings,
            "epoch": self.epoch,
            "step": self.step,
            "loss": self._loss.clone(),
            "model": _copy(self.model.state_dict()),
            "ema": None if self._ema is None else _copy(self._ema.model.state_dict()),
            "scaler": self._precision.scaler.state_dict(),
            "optimizer": {
                "state": {key: _copy(value) for key, value in optimizer["state"].items()},
                "param_groups": [_copy(group) for group in optimizer["param_groups"]],
            },
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` of a loop with the same arguments returned.

        Raises:
            RecipeError: the state is of a training with other settings.
        """
        self._require_same(state)
        self._take(state)
        if self._ema is not None:
            self._ema.model.load_state_dict(state["ema"])
        self._optimizer.load_state_dict(state["optimizer"])
        self.epoch, self.step, self._plan = state["epoch"], state["step"], None
        self._loss.copy_(state["loss"].to(self._loss.dtype))

    def take_over(self, state: Mapping[str, Any]) -> None:
        """Go on by this loop's recipe and seed from what `state_dict` of another recipe's loop returned at the end of
        an epoch, as population based training does (arXiv 1711.09846).

        Weights and their average are those of the state; so are the optimizer's moments where both recipes name the
        same one, else it begins anew.

        Raises:
            RecipeError: the state is of a training with other settings beside the recipe, or within an epoch.
        """
        self._require_same(state, but=_OF_RECIPES)
        require(state["step"] == 0, "a training to take over", "at the end of an epoch", f"step {state['step']}")
        self._take(state)
        if self._ema is not None:
            self._ema.model.load_state_dict(state["ema"] or state["model"])
        theirs, ours = state["settings"]["recipe"], self._settings["recipe"]
        if all(theirs.get(name) == ours.get(name) for name in _LAYS_OUT):
            groups = self._optimizer.state_dict()["param_groups"]  # with this recipe's weight decay
            moments = {key: _copy(value) for key, value in state["optimizer"]["state"].items()}  # may be taken twice
            self._optimizer.load_state_dict({"state": moments, "param_groups": groups})
        self.epoch, self.step, self._plan = state["epoch"], 0, None

    def _take(self, state: Mapping[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        if scaler := state.get("scaler"):  # written where a training is scaled, and of use only there
            self._precision.scaler.load_state_dict(scaler)

    def _require_same(self, state: Mapping[str, Any], *, but: Set[str] = frozenset()) -> None:
        theirs = dict(state["settings"])
        known = sorted((self._settings.keys() | theirs.keys()) - but)
        different = [name for name in known if self._settings.get(name) != theirs.get(name)]
        if different:
            listed = "; ".join(f"{k}: {theirs.get(k)!r} there, {self._settings.get(k)!r} here" for k in different)
            raise RecipeError(f"the saved training has other settings ({listed}). Start anew, or restore them.")


def _exact(device: torch.device) -> torch.dtype:
    """The type that a device sums most exactly in; Apple's GPUs have no float64."""
    return torch.float32 if device.type == "mps" else torch.float64


def _copy(tensors: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value.clone() if isinstance(value, Tensor) else value for key, value in tensors.items()}
