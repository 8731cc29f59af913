"""Predictors that can be asked later: a folder with the weights, the card and the space they belong to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nars.arrays import Floats
from nars.errors import ConfigError
from nars.metric import Metric
from nars.predictors import Predictor, load_predictor, save_predictor
from nars.printing import counted
from nars.run.folder import RunFolder, read_json, run_in
from nars.run.identity import of_another_run
from nars.run.journal import read_results
from nars.space import Population, Space, read_document, read_space, shipped
from nars.store import write_space

if TYPE_CHECKING:
    from nars.run import Run

_SPACE = "space.yaml"


def load_fitted(run: Run) -> Predictor | None:
    """Stage 2's predictor; None before all its rounds are done.

    Raises:
        DataError: it belongs to another run.
        PredictorError: it is damaged, or of another space.
    """
    card = run.folder.predictor / "card.json"
    if not card.is_file():
        return None
    origin = made_here(run, card)
    return load_predictor(card.parent, run.space) if run.rounds_of(origin) >= run.config.collect.rounds else None


def made_here(run: Run, card: Path) -> dict[str, Any]:
    """What the card of a predictor in the run's folder says of where it comes from.

    Raises:
        DataError: it comes from another run.
    """
    document = read_json(card)
    origin: dict[str, Any] = document.get("origin") or {}
    if not run.is_own(origin.get("run")) or document.get("space", {}).get("fingerprint") != run.space.fingerprint:
        raise of_another_run(card.parent, "it is made again")
    return origin


def write_predictor(
    folder: Path,
    predictor: Predictor,
    *,
    space: Space,
    data: str,
    quality: Mapping[str, float],
    origin: Mapping[str, Any] | None = None,
) -> None:
    """Save a predictor with its space, which `open_predictor` reads.

    Args:
        folder: where to.
        predictor: fitted.
        space: what it was fitted for.
        data: fingerprint of the image set.
        quality: measured figures for the card.
        origin: the run that it was made in, for the card.
    """
    write_space(space, folder / _SPACE)
    save_predictor(predictor, folder, space=space, data=data, quality=quality, origin=origin)


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
            _check_home(folder)
            return folder
    home = run_in(name)
    if home is not None and not (home.predictor / "card.json").is_file():
        raise ConfigError(f"no predictor at {str(name)!r}: {_lack(home)}")
    known = sorted(path.parent.name for path in shipped("predictors").glob("*/card.json"))
    run = Path("runs") / name
    hint = f"; did you mean {run}?" if run_in(run) is not None else ""
    raise ConfigError(
        f"no predictor at {str(name)!r}; give a run folder, a predictor folder (card.json and {_SPACE}), "
        f"or a shipped one: {', '.join(known) or 'there is none yet'}{hint}"
    )


def _lack(run: RunFolder) -> str:
    """Why a run has none."""
    if not read_json(run.run_file).get("config", {}).get("collect", {}).get("rounds", 1):
        return (
            "that run has searched nothing (collect.rounds 0; with --time, for lack of time), so that it knows one "
            "candidate alone. Begin another with more time or rounds"
        )
    return f"stage 2 of that run, which makes it, has not ended; go on with it: nars run {run.path}"


def predicted_of(name: str | Path, metric: Metric) -> str:
    """What the predictions of a predictor are of, in words: which metric, after how many epochs, on which data."""
    folder, called = predictor_folder(name), metric.name.replace("_", " ")
    run = run_in(folder.parent)
    results = [] if run is None else read_results(run)
    if run is None or not results:
        samples = read_json(folder / "card.json").get("samples", 0)
        return f"{called} at the end of trainings like the {samples:,} that the predictor has learned from"
    document = read_json(run.run_file)
    images = document["config"].get("task", "images") == "images"
    where = f"on the validation images of {document['data']['name']}" if images else "as your trainer measures it"
    return f"{called} after {counted(results[0].stop_epoch, 'epoch')}, {where}; final training comes on top"


def _check_home(folder: Path) -> None:
    """See that a predictor in a run's folder is that run's.

    Raises:
        ConfigError: it is another's.
    """
    run = RunFolder(folder.parent)
    if folder != run.predictor or not run.run_file.is_file():
        return
    card, document = read_json(folder / "card.json"), read_json(run.run_file)
    written = (card.get("space", {}).get("fingerprint"), card.get("data"), (card.get("origin") or {}).get("run"))
    known = (document["space"]["fingerprint"], document["data"]["fingerprint"], document.get("origin"))
    if any(one != two for one, two in zip(written, known, strict=True) if one is not None and two is not None):
        raise ConfigError(
            f"{folder} belongs to another run than {run.path}: its space, images, seed or settings were others. Put "
            f"that run's own predictor back"
        )


def scorer(space: Space, predictor: Predictor) -> Callable[[Population], Floats]:
    """Predictions of rows as the search wants them, more being better: X (N, D) -> (N,).

    Where it is known who fails, it is what a training comes to on average (`Failures.expected`).
    """
    failures = predictor.failures

    def score(X: Population) -> Floats:
        scores = predictor.metric.score(predictor.predict_mean(predictor.inputs(space, X)))
        return scores if failures is None else failures.expected(scores, failures.probability(space, X))

    return score
