"""Which column of a file of trials means what: our names, other tools' prefixes, and what the user says."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import final

from nars.errors import DataError
from nars.files import TableFile
from nars.metric import ACCURACY, Metric
from nars.space import Fixed, Space

SETTING_PREFIXES = (
    "choice.",
    "params_",
    "params.",
    "param_",
    "config/",
    "config.",
    "config_",
    "hyperparameters.",
    "parameters.",
    "hparams.",
    "hparams/",
)
"""What `nars store export`, Optuna, MLflow, Ray Tune, Weights & Biases, Syne Tune, NNI and TensorBoard put before the
name of a setting."""
RESULT_PREFIXES = ("user_attrs_", "summary.", "metrics.", "metrics/", "values_")
"""What they put before the name of a result."""
_ANY = ("", "cost.", *RESULT_PREFIXES, *SETTING_PREFIXES)

_OBJECTIVES = ("value", "reward", "default")
"""What tools call the measured value, whatever it is."""
_ACCURACIES = ("accuracy", *_OBJECTIVES, "acc", "val_accuracy", "val_acc", "validation_accuracy")
_STATUSES = ("status", "state", "st_status", "trial_status")
_SEEDS = ("seed", "random_seed")


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Headings:
    """The columns of a file, found by what they are called."""

    file: TableFile
    space: Space
    said: Mapping[str, str] = field(default_factory=dict)
    """{our name: heading}, from the user."""

    def __post_init__(self) -> None:
        if strange := [heading for heading in self.said.values() if heading not in self.file.columns]:
            raise self._absent(strange[0])

    @cached_property
    def settings(self) -> dict[str, str]:
        """{setting: heading} of the settings that have a column.

        Raises:
            DataError: a name of the user's is none, or two columns that differ could both be a setting.
        """
        own = {setting: said for name, said in self.said.items() for setting in self._meant(name)}
        taken = set(self.said.values())
        found = {setting: own.get(setting) or self._heading(setting, taken) for setting in self.space.settings}
        return {setting: heading for setting, heading in found.items() if heading is not None}

    def others(
        self, name: str, *, guesses: Sequence[str] = (), prefixes: Sequence[str] = ("", *RESULT_PREFIXES)
    ) -> str | None:
        """The heading that the user named for something that is no setting, else the first of the guesses there is."""
        if name in self.said:
            return self.said[name]
        used = set(self.settings.values())
        for guess in guesses:
            for heading in self._called(guess, prefixes):
                if heading not in used:
                    return heading
        return None

    def values(self, metric: Metric, named: Sequence[str] | None) -> list[str]:
        """The headings of what was measured: those that are named, else the one that is called like the metric.

        Raises:
            DataError: there is none.
        """
        if named:
            return [self.column(name, "--values") for name in named]
        guesses = _ACCURACIES if metric == ACCURACY else (metric.name, *_OBJECTIVES)
        found = self.others(metric.name, guesses=guesses)
        if found is None:
            hint = (
                "; if it is no accuracy in percent, say what it is by --metric, e.g. --metric val_loss:minimize"
                if metric == ACCURACY
                else ""
            )
            raise DataError(
                f"{self.file.path} has no column {metric.name!r}; it has {self.file.headings}. Name the one with the "
                f"measured values by --values, several (one per seed) with commas{hint}"
            )
        return [found]

    def status(self, named: str | None) -> str | None:
        """The heading of how trainings ended: the one that is named, unless that is "none", or the one called so."""
        if named is None:
            return self.others("status", guesses=_STATUSES)
        return None if named.casefold() == "none" and named not in self.file.columns else self.column(named, "--status")

    def seed(self) -> str | None:
        """The heading of the seeds."""
        return self.others("seed", guesses=_SEEDS, prefixes=_ANY)

    def column(self, name: str, what: str) -> str:
        """The heading that is called this, also behind a tool's prefix, of `what` (the option that names it).

        Raises:
            DataError: there is none.
        """
        found = self.said.get(name) or next(iter(self._called(name, _ANY)), None)
        if found is None:
            raise self._absent(name, what)
        return found

    def ignored(self) -> list[str]:
        """Headings that a tool's prefix says to be settings, which the space does not have; only what varies."""
        used = {*self.settings.values(), *self.said.values()}
        names = [name for name in self.file.columns if name.startswith(SETTING_PREFIXES) and name not in used]
        seeds = {_plain(prefix + seed) for prefix in SETTING_PREFIXES for seed in _SEEDS}
        return [
            name
            for name in names
            if _plain(name) not in seeds and len({str(cell) for cell in self.file.columns[name]}) > 1
        ]

    def check_names(self, known: Iterable[str]) -> None:
        """Raises: DataError when the user gives a heading to something that there is not."""
        known = set(known)
        for name in self.said:
            if name not in known and not self._meant(name):
                names = [setting for setting, it in self.space.settings.items() if not isinstance(it, Fixed)]
                near = difflib.get_close_matches(name, [*known, *names], n=3)
                hint = f"; did you mean {' or '.join(near)}?" if near else ""
                raise DataError(
                    f"--columns names {name!r}, which is neither a setting of {self.space.name} nor one of "
                    f"{', '.join(sorted(known))}{hint} Settings are {', '.join(names)}"
                )

    def missing(self, setting: str) -> str:
        """What to say of a setting that has no column."""
        near = difflib.get_close_matches(setting.rpartition(".")[2], list(self.file.columns), n=1, cutoff=0.5)
        example = near[0] if near else "HEADING"
        return f"{setting} has no column; name it by --columns {setting}={example}"

    def _meant(self, name: str) -> list[str]:
        """The settings that a name of the user's stands for."""
        settings = self.space.settings
        for candidate in (name, f"recipe.{name}"):
            if candidate in settings:
                return [candidate]
        return [setting for setting in settings if name == self.space.family.rule(setting).short]

    def _heading(self, setting: str, taken: set[str]) -> str | None:
        short = self.space.family.rule(setting).short
        names = [setting, *([short] if short else [])]
        if (bare := setting.removeprefix("recipe.")) not in self.space.settings:
            names.append(bare)
        if "." in setting and setting in self.file.columns and setting not in taken:
            return setting
        # A prefix of a tool says that it is a setting; without one it may also be something that was measured.
        for prefixes in (SETTING_PREFIXES, ("",)):
            called = [h for name in names for h in self._called(name, prefixes) if h not in taken]
            found = list(dict.fromkeys(called))
            if any(list(self.file.columns[h]) != list(self.file.columns[found[0]]) for h in found[1:]):
                raise DataError(
                    f"{self.file.path}: the columns {', '.join(map(repr, found))} could all be {setting} and differ; "
                    f"say which by --columns {setting}={found[0]}"
                )
            if found:
                return found[0]
        return None

    def _called(self, name: str, prefixes: Sequence[str]) -> list[str]:
        """Headings that are this name behind one of these prefixes: as it stands, else whatever the case."""
        columns = self.file.columns
        exact = [prefix + name for prefix in prefixes if prefix + name in columns]
        if exact:
            return exact
        wanted = dict.fromkeys(_plain(prefix + name) for prefix in prefixes)
        return [heading for plain in wanted for heading in self._by_plain.get(plain, ())]

    @cached_property
    def _by_plain(self) -> dict[str, list[str]]:
        by_plain: dict[str, list[str]] = {}
        for heading in self.file.columns:
            by_plain.setdefault(_plain(heading), []).append(heading)
        return by_plain

    def _absent(self, name: str, option: str = "--columns") -> DataError:
        near = difflib.get_close_matches(name, list(self.file.columns), n=3)
        hint = f" (did you mean {' or '.join(map(repr, near))}?)" if near else ""
        return DataError(
            f"{self.file.path} has no column {name!r}{hint}; it has {self.file.headings}. Name one of them by {option}"
        )


def _plain(heading: str) -> str:
    return heading.strip().casefold().replace("/", ".")
