"""The best that a run with a time has so far, trained and fit to be exported at any moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from nars.errors import ConfigError
from nars.export import Card, Verification, compared_on, export_member, timm_names, verify
from nars.images import public_name
from nars.network import build
from nars.printing import counted
from nars.recipe import Normalizer, Recipe, class_table, outputs, scores
from nars.run import Run
from nars.run.journal import Journal
from nars.run.settled import place_for
from nars.space import AnyArchitecture
from nars.stages.finished import own_teacher, settings_for
from nars.stages.members import read_family
from nars.stages.picking import keeps
from nars.store import Sample
from nars.train import CHECKPOINT

_NAME = "best-so-far"


@final
class BestKept:
    """Keeps the weights of the best candidate of stage 2, and no others."""

    def __init__(self, run: Run, samples: Sequence[Sample]) -> None:
        """With the samples that there are already."""
        self._run, self._best = run, _best_kept(run, samples)

    def tell(self, sample: Sample) -> None:
        """A candidate is trained, and its weights are kept for now."""
        file = kept_weights(self._run, sample)
        if not file.is_file():
            return
        score, best = self._run.metric.score, self._best
        if all(keeps(budget, sample) for budget in self._run.config.budgets[:1]) and (
            best is None or score(_value(sample)) > score(_value(best))
        ):
            self._best, sample = sample, best or sample
        if self._best is not sample:
            kept_weights(self._run, sample).unlink(missing_ok=True)


@dataclass(frozen=True, kw_only=True)
class BestSoFar:
    """A trained network, and how good it is on the validation images."""

    choices: tuple[int, ...]
    weights: Mapping[str, Tensor]
    value: float
    """Of the run's metric."""
    what: str
    """In words: which training it is of, and how far that is."""
    searched: bool = False
    """Whether it is a candidate of the search, which may have seen other images than final training does."""


def kept_weights(run: Run, sample: Sample) -> Path:
    """Where the weights of a candidate are, if they are kept."""
    return run.folder.kept / f"{sample.key}.safetensors"


def best_so_far(run: Run) -> BestSoFar | None:
    """The best network that is trained, or in training, in a run that is not finished; None before there is any."""
    found = [one for one in (_in_final_training(run), _of_the_search(run)) if one is not None]
    return max(found, key=lambda one: run.metric.score(one.value), default=None)


def export_best(run: Run) -> Card:
    """Write the best so far to `RunFolder.best_so_far`, as any member is exported.

    Raises:
        ConfigError: nothing is trained yet.
    """
    best = best_so_far(run)
    if best is None:
        raise ConfigError(
            f"{run.folder.path} has trained nothing to its end yet; go on with it for a while: nars run "
            f"{run.folder.path}"
        )
    (recipe,) = run.space.recipes(np.array([best.choices], dtype=np.int64))
    architecture = _architecture(run, best)
    model = build(architecture, seed=None)
    model.load_state_dict(dict(best.weights))
    data = run.final_images.seen_by(architecture)
    if best.searched:  # it sees images as it was trained
        seen = run.images.seen_by(architecture)
        data = replace(data, mean=seen.mean, std=seen.std)
    run.reporter.say(f"the best so far: {best.what}, validation {run.metric.spell(best.value)}")
    logits = {name: _logits(model, getattr(data, name), data.mean, data.std) for name in ("validation", "test")}
    accuracy = {name: scores(found, getattr(data, name).labels)["accuracy"] for name, found in logits.items()}
    with run.reporter.bar(f"export: {_NAME}", 1) as advance:
        return export_member(
            model,
            run.folder.best_so_far,
            name=timm_names(run.config.name, [_NAME])[_NAME],
            architecture=architecture,
            recipe=Recipe.from_dict({"label_smoothing": run.config.final.label_smoothing} | recipe).to_dict(),
            data=replace(data, name=public_name(run.data_facts.name)),
            accuracy=accuracy,
            test_scores=scores(logits["test"], data.test.labels),
            test_classes=class_table(logits["test"], data.test.labels, data.classes),
            progress=lambda file: advance(0, file),
        )


def verify_best(run: Run) -> Verification:
    """Each form of what `export_best` has written, loaded by its own runtime and compared on the test images."""
    best = best_so_far(run)
    assert best is not None
    test = run.final_images.seen_by(_architecture(run, best)).test
    return verify(run.folder.best_so_far, *compared_on(test))


def _architecture(run: Run, best: BestSoFar) -> AnyArchitecture:
    (architecture,) = run.space.architectures(np.array([best.choices], dtype=np.int64))
    made: AnyArchitecture = replace(architecture, classes=run.final_classes)
    return made


def _logits(model: nn.Module, split, mean: Tensor, std: Tensor) -> Tensor:  # type: ignore[no-untyped-def]
    (logits,) = outputs([model], split, Normalizer(mean, std, device=torch.device("cpu")))
    return logits


def _in_final_training(run: Run) -> BestSoFar | None:
    """The better weights of the last checkpoint of final training."""
    family = read_family(run)
    if family.missing or not family.members:
        return None
    member, own = family.members[0], own_teacher(run, family)
    taught_by = run.config.final.teacher if own is None else own.identity
    place = place_for(run.folder, member.name, settings_for(run, member, taught_by))
    file = run.folder.training(place) / CHECKPOINT
    if not file.is_file():
        return None
    saved = torch.load(file, weights_only=True, map_location="cpu")
    history, loop, score = saved["history"], saved["loop"], run.metric.score
    loop = loop.get("start", loop)  # where augmentation is learned, the last epoch that counts
    if not history["curve"]:
        return None
    value, weights = history["curve"][-1], loop["model"]
    if history["ema_curve"] and score(history["ema_curve"][-1]) >= score(value):
        value, weights = history["ema_curve"][-1], loop["ema"]
    done = f"epoch {len(history['curve'])} of its final training"
    return BestSoFar(choices=member.choices, weights=weights, value=value, what=f"{member.name} after {done}")


def _of_the_search(run: Run) -> BestSoFar | None:
    best = _best_kept(run, Journal(run).samples())
    if best is None:
        return None
    what = f"a candidate of stage 2 after its {counted(best.epochs, 'epoch')}"
    weights = load_file(kept_weights(run, best))
    return BestSoFar(choices=best.choices, weights=weights, value=_value(best), what=what, searched=True)


def _best_kept(run: Run, samples: Sequence[Sample]) -> Sample | None:
    there = [sample for sample in samples if sample.result is not None and kept_weights(run, sample).is_file()]
    return max(there, key=lambda sample: run.metric.score(_value(sample)), default=None)


def _value(sample: Sample) -> float:
    assert sample.result is not None
    return sample.result
