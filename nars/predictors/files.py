"""A predictor on disk: `predictor.safetensors` (weights) and `card.json` (what it is, for people and for `load`)."""

from __future__ import annotations

import hashlib
import json
import math
import platform
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as load_weights, save as save_weights

from nars.arrays import Floats32
from nars.errors import PredictorError, expect
from nars.files.atomic import write_bytes, write_json
from nars.metric import ACCURACY, Metric, MetricError
from nars.predictors.failures import Failures
from nars.predictors.fit import Fit
from nars.predictors.predictor import Predictor
from nars.predictors.process import Process
from nars.predictors.regressor import PretrainingReport, StatisticError
from nars.predictors.settings import PredictorSettings
from nars.predictors.sources import Source
from nars.predictors.statistics import Scale
from nars.predictors.warp import Warp
from nars.space import Space, read_document, read_space
from nars.store import write_space

_WEIGHTS, _CARD = "predictor.safetensors", "card.json"
_FORMAT = 6
"""Read as well: 5, whose inverse matrices are written as squares; 4, whose processes have no effects of pairs; 3, with
one process at most, which has no additive part; 2, whose warps have one power for both sides; 1, where a process has
one amplitude of noise too, the constant one."""
_PROCESS = "process."
_SOURCES, _SPACE = "sources", "space.yaml"
"""Folders of what it started from, each a predictor with its space."""


def save_predictor(
    predictor: Predictor,
    folder: str | Path,
    *,
    space: Space,
    data: str,
    quality: Mapping[str, float] | None = None,
    origin: Mapping[str, Any] | None = None,
) -> Path:
    """Write a predictor into `folder` (created); returns the card's path.

    Args:
        predictor: pretrained, or pretrained and fitted.
        folder: where to.
        space: the space it was made for; loading it for another is refused.
        data: fingerprint or name of the data that the accuracies were measured on.
        quality: measured figures for the card, e.g. {"tau": 0.91, "interval_coverage": 0.8}.
        origin: what it was made in, for whoever looks at the card.

    Raises:
        PredictorError: the space has another encoding than the predictor.
    """
    _check_widths(predictor.architecture_width, predictor.recipe_width, space)
    card = {
        "format": _FORMAT,
        "space": {"name": space.name, "fingerprint": space.fingerprint},
        "data": data,
        **({} if predictor.metric == ACCURACY else {"metric": predictor.metric.document}),
        "samples": predictor.fitted.samples if predictor.fitted else 0,
        "quality": dict(quality or {}),
        "origin": dict(origin) if origin is not None else None,
        "settings": asdict(predictor.settings),
        "architecture_width": predictor.architecture_width,
        "recipe_width": predictor.recipe_width,
        "choices": None if predictor.choices is None else list(predictor.choices),
        "statistics": {name: np.asarray(values).tolist() for name, values in vars(predictor.scale).items()},
        "pretraining": asdict(predictor.pretraining) if predictor.pretraining else None,
        "fit": _fit_document(predictor.fitted),
        **({"sources": [source.name for source in predictor.sources]} if predictor.sources else {}),
        **({} if predictor.failures is None else {"failures": predictor.failures.document}),
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("nars", "torch", "numpy", "safetensors")},
        },
    }
    folder = Path(folder)
    weights = dict(predictor.weights)
    if predictor.fitted:
        weights |= {
            f"{_PROCESS}{number}.{name}": value
            for number, process in enumerate(predictor.fitted.processes)
            for name, value in _packed(process.arrays).items()
        }
    for number, source in enumerate(predictor.sources):
        home = folder / _SOURCES / str(number)
        write_space(source.space, home / _SPACE)
        save_predictor(source.predictor, home, space=source.space, data=source.name)
    saved = save_weights(weights)
    # The card goes last: a folder with a card is complete.
    write_bytes(folder / _WEIGHTS, saved)
    write_json(folder / _CARD, card | {"weights": hashlib.sha256(saved).hexdigest()})
    return folder / _CARD


def load_predictor(folder: str | Path, space: Space) -> Predictor:
    """The predictor in `folder`, for `space`.

    Raises:
        PredictorError: there is none, it is damaged, or it was made for another space.
    """
    expect(space, Space, "a predictor is loaded for its space, e.g. load_space('digits')", error=PredictorError)
    folder = Path(folder)
    try:
        card = json.loads((folder / _CARD).read_bytes())
        saved = (folder / _WEIGHTS).read_bytes()
        weights = load_weights(saved)
    except FileNotFoundError as error:
        raise PredictorError(
            f"{folder} holds no predictor: {Path(error.filename).name} is missing; a predictor is a folder with "
            f"{_CARD} and {_WEIGHTS}"
        ) from None
    except (json.JSONDecodeError, UnicodeDecodeError, SafetensorError) as error:
        raise PredictorError(f"the predictor in {folder} is damaged ({error}); save it again") from None
    if not isinstance(card, dict) or card.get("format") not in range(1, _FORMAT + 1):
        raise PredictorError(f"{folder / _CARD} is not the card of a predictor that this version reads; make it again")
    if card.get("weights", hashlib.sha256(saved).hexdigest()) != hashlib.sha256(saved).hexdigest():
        raise PredictorError(
            f"{folder / _WEIGHTS} is not the file that {_CARD} beside it describes: they come from two predictors. Put "
            f"back the one that belongs to it, or make the predictor again"
        )
    try:
        return _assembled(folder, card, weights, space)
    except (KeyError, TypeError) as error:  # a key more or less than this version's
        raise PredictorError(
            f"{folder / _CARD} is not the card of a predictor that this version reads ({type(error).__name__}: "
            f"{error}); make the predictor again, or use the version in the card"
        ) from None


def _assembled(folder: Path, card: Mapping[str, Any], weights: Mapping[str, Floats32], space: Space) -> Predictor:
    made_for = card["space"]
    if made_for["fingerprint"] != space.fingerprint:
        raise PredictorError(
            f"the predictor in {folder} was made for the space {made_for['name']!r} ({made_for['fingerprint']}), this "
            f"is {space.name!r} ({space.fingerprint}): a choice means something else here. Use the space it was made "
            f"for, or pretrain and fit one for this space"
        )
    _check_widths(card["architecture_width"], card["recipe_width"], space)
    statistics, settings = card["statistics"], card["settings"]
    choices = tuple(card["choices"]) if card.get("choices") is not None else None
    return Predictor(
        settings=PredictorSettings(**{**settings, "hidden": tuple(settings["hidden"])}),
        architecture_width=card["architecture_width"],
        recipe_width=card["recipe_width"],
        weights={name: value for name, value in weights.items() if not name.startswith(_PROCESS)},
        scale=Scale(
            names=tuple(statistics["names"]),
            logarithmic=np.array(statistics["logarithmic"], dtype=bool),
            mean=np.array(statistics["mean"], dtype=np.float64),
            std=np.array(statistics["std"], dtype=np.float64),
        ),
        choices=choices,
        sources=tuple(_source(folder / _SOURCES / str(at), name) for at, name in enumerate(card.get("sources", ()))),
        metric=_metric(folder, card),
        pretraining=_report(card["pretraining"]),
        fitted=_fit(card["fit"], weights, choices),
        failures=Failures.of(card["failures"]) if "failures" in card else None,
    )


def _source(folder: Path, name: str) -> Source:
    space = read_space(read_document(folder / _SPACE))
    return Source(name=name, space=space, predictor=load_predictor(folder, space))


def _metric(folder: Path, card: Mapping[str, Any]) -> Metric:
    """What the predictor predicts; earlier versions knew accuracy only."""
    try:
        return Metric(**card["metric"]) if "metric" in card else ACCURACY
    except MetricError as error:
        raise PredictorError(f"{folder / _CARD}: {error} Make the predictor again") from None


def _fit_document(fitted: Fit | None) -> dict[str, Any] | None:
    if fitted is None:
        return None
    # JSON has no infinity; a linear warp has no ends.
    warp = {name: value if math.isfinite(value) else None for name, value in asdict(fitted.warp).items()}
    numbers = {name: getattr(fitted, name) for name in ("noise", "stretch", "exact")}
    sources = [process.source for process in fitted.processes]
    return {"samples": fitted.samples, "warp": warp, "shares": list(fitted.shares), "sources": sources, **numbers}


def _fit(
    document: dict[str, Any] | None, weights: Mapping[str, Floats32], choices: tuple[int, ...] | None
) -> Fit | None:
    if document is None:
        return None
    stored = {name: value for name, value in document["warp"].items() if value is not None}
    if "power" in stored:  # formats 1 and 2
        stored["below"] = stored["above"] = stored.pop("power")
    warp = Warp(**stored)
    rest = {name: value for name, value in document.items() if name not in ("warp", "share", "shares", "sources")}
    if "share" in document:  # formats up to 3
        process = {name.removeprefix(_PROCESS): value for name, value in weights.items() if name.startswith(_PROCESS)}
        share = document["share"]
        processes = [Process(arrays=_of_format_3(process))] if process and share < 1 else []
        return Fit(**rest, warp=warp, shares=(share, 1 - share)[: 1 + len(processes)], processes=tuple(processes))
    found = []
    for number, source in enumerate(document["sources"]):
        start = f"{_PROCESS}{number}."
        arrays = _unpacked({name.removeprefix(start): v for name, v in weights.items() if name.startswith(start)})
        each = tuple(range(arrays["x"].shape[1] - arrays["z"].shape[1])) if choices is None else choices
        found.append(Process(arrays=arrays, choices=each if "additive" in arrays else (), source=source))
    return Fit(**rest, warp=warp, shares=tuple(document["shares"]), processes=tuple(found))


def _packed(arrays: Mapping[str, Floats32]) -> dict[str, Floats32]:
    """With half of the inverse, row by row of its lower triangle: of many samples it is nearly all of the file."""
    inverse = arrays["inverse"]
    return dict(arrays) | {"inverse": inverse[np.tril_indices(len(inverse))]}


def _unpacked(arrays: dict[str, Floats32]) -> dict[str, Floats32]:
    if arrays["inverse"].ndim == 2:  # formats 4 and 5
        return arrays
    lower = np.zeros((len(arrays["x"]), len(arrays["x"])), dtype=np.float32)
    lower[np.tril_indices(len(lower))] = arrays["inverse"]
    return arrays | {"inverse": lower + np.tril(lower, -1).T}


def _of_format_3(process: dict[str, Floats32]) -> dict[str, Floats32]:
    """The arrays of a process of an earlier format."""
    if len(process["amplitudes"]) == 5:
        return process
    *kernel, constant = process["amplitudes"]  # format 1
    return process | {"amplitudes": np.array([*kernel, 0.0, constant], dtype=np.float32)}


def _report(document: dict[str, Any] | None) -> PretrainingReport | None:
    if document is None:
        return None
    errors = {name: StatisticError(**error) for name, error in document["errors"].items()}
    return PretrainingReport(**{**document, "errors": errors})


def _check_widths(architecture: int, recipe: int, space: Space) -> None:
    if (architecture, recipe) != (space.architecture_width, space.recipe_width):
        raise PredictorError(
            f"the predictor reads {architecture} + {recipe} encoded columns (architecture + recipe), {space.name} has "
            f"{space.architecture_width} + {space.recipe_width}; use the space it was made for"
        )
