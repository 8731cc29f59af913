"""Predictors that can be asked later: a folder with the weights, the card and the space they belong to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nars.data import write_space
from nars.predictors import Predictor, load_predictor, save_predictor
from nars.space import Population, Space, read_document, read_space, shipped
from nars.stages.config import ConfigError
from nars.stages.run import Run

_SPACE = "space.yaml"


def keep_predictor(run: Run, predictor: Predictor, *, quality: Mapping[str, float]) -> None:
    """Save stage 2's predictor with its space, so that it can be asked without the run."""
    write_predictor(run.folder.predictor, predictor, space=run.space, data=run.images.fingerprint, quality=quality)


def write_predictor(
    folder: Path, predictor: Predictor, *, space: Space, data: str, quality: Mapping[str, float]
) -> None:
    """Save a predictor with its space, which `open_predictor` reads.

    Args:
        folder: where to.
        predictor: fitted.
        space: what it was fitted for.
        data: fingerprint of the image set.
        quality: measured figures for the card.
    """
    write_space(space, folder / _SPACE)
    save_predictor(predictor, folder, space=space, data=data, quality=quality)


def open_predictor(name: str | Path) -> tuple[Space, Predictor]:
    """A predictor and its space, by shipped name ("cifar10"), predictor folder or run folder.

    Raises:
        ConfigError: no predictor is there.
        PredictorError: its files are damaged or belong to another space.
    """
    folder = predictor_folder(name)
    space = read_space(read_document(folder / _SPACE))
    return space, load_predictor(folder, space)


def predictor_folder(name: str | Path) -> Path:
    """Where the predictor is that `open_predictor` opens.

    Raises:
        ConfigError: none is there.
    """
    for folder in (Path(name), Path(name) / "predictor", shipped("predictors") / str(name)):
        if (folder / "card.json").is_file() and (folder / _SPACE).is_file():
            return folder
    known = sorted(path.parent.name for path in shipped("predictors").glob("*/card.json"))
    raise ConfigError(
        f"no predictor at {str(name)!r}; give a run folder, a predictor folder (card.json and {_SPACE}), "
        f"or a shipped one: {', '.join(known) or 'there is none yet'}"
    )


def scorer(space: Space, predictor: Predictor) -> Callable[[Population], NDArray[np.float64]]:
    """Predicted accuracy of rows, as the search wants it: X (N, D) -> (N,) in percent."""

    def score(X: Population) -> NDArray[np.float64]:
        return predictor.predict_mean(space.encode(X))

    return score
