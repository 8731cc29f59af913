"""What is explored: a run, a predictor, or both; and candidates of it in plain types, as the page takes them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nars.errors import ConfigError, UserError
from nars.metric import Metric
from nars.predictors import Predictor
from nars.run.config import RunConfig
from nars.run.folder import RunFolder, read_json, run_in
from nars.space import Space, latency_costs, read_document, read_space
from nars.stages import open_predictor, predictor_folder

if TYPE_CHECKING:
    from nars.store import SampleStore


@dataclass(frozen=True, kw_only=True, eq=False)
class Source:
    """A run's folder, a predictor, or both."""

    name: str
    """As it was asked for."""
    run: RunFolder | None
    space: Space
    predictor: Predictor | None
    """None while the run has none yet."""
    latency: Path | None = None
    """The run's device table."""
    card: bytes = b""
    """What the predictor's folder says of it; another one is another predictor."""

    @cached_property
    def config(self) -> RunConfig | None:
        """Of the run."""
        return None if self.run is None else RunConfig.model_validate(read_json(self.run.run_file)["config"])

    @cached_property
    def store(self) -> SampleStore | None:
        """The run's samples; files that it has read once it does not read again."""
        if self.run is None:
            return None
        from nars.store import SampleStore

        return SampleStore(self.run.samples)

    @property
    def metric(self) -> Metric:
        """What was measured and is predicted."""
        if self.predictor is not None:
            return self.predictor.metric
        assert self.config is not None
        return self.config.measured

    @property
    def trains(self) -> bool:
        """Whether candidates can be fully trained from here."""
        return self.predictor is not None and self.config is not None and self.config.trains_images


def open_source(name: str | Path) -> Source:
    """A run's folder, finished or not, a predictor's folder, or a shipped predictor.

    Raises:
        ConfigError: there is neither.
        PredictorError, DataError, SpaceError: files are damaged.
    """
    run = run_in(name)
    if run is not None and not (run.predictor / "card.json").is_file() and run.space_file.is_file():
        return Source(name=str(name), run=run, space=read_space(read_document(run.space_file)), predictor=None)
    space, predictor = open_predictor(name)
    run = run or run_in(predictor_folder(name).parent)
    table = None if run is None or not run.table_file.is_file() else run.table_file
    if table is not None:
        space = space.with_table(latency_costs(space, table, named=str(name)))
    return Source(name=str(name), run=run, space=space, predictor=predictor, latency=table, card=card_of(name))


def card_of(name: str | Path) -> bytes:
    """What the folder of a predictor says of it; nothing where it is gone."""
    try:
        return (predictor_folder(name) / "card.json").read_bytes()
    except (OSError, UserError):
        return b""


def reduced(value: float, digits: int = 7) -> float:
    """A number with so many digits: pages are to be mailed."""
    return float(f"{value:.{digits}g}")


def limits_in(document: Any, space: Space) -> dict[str, float]:
    """Upper limits as a page sends them, {cost: limit}, checked.

    Raises:
        ConfigError: they are not that.
    """
    good = isinstance(document, dict) and all(
        name in space.cost_names and isinstance(limit, (int, float)) and not isinstance(limit, bool)
        for name, limit in document.items()
    )
    if not good:
        raise ConfigError(f"limits are numbers by the costs {', '.join(space.cost_names)}, got {str(document)[:80]}")
    return {name: float(limit) for name, limit in document.items()}
