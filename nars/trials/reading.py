"""Finished trials from files of other tools: CSV, Parquet, JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn, final

import numpy as np

from nars.arrays import Bools, Floats, Ints
from nars.errors import DataError, expect
from nars.files import TableFile, TableFileError, is_nothing, number_of, read_table
from nars.metric import ACCURACY, Metric
from nars.space import Fault, Population, Space, SpaceError, one_message
from nars.store import Status
from nars.trials.endings import Ending, endings
from nars.trials.headings import Headings
from nars.trials.store_exports import is_export, read_export
from nars.trials.trials import Trials, TrialTable, gather, with_costs

_NO_TRAINING = ("", "unnamed: 0", "index", "__index_level_0__")
"""Headings of a frame's row numbers, which say nothing about a training."""
_TRIAL_IDS = ("trial_id", "trialjobid")
_REPEATS = ("experiment_id", "experiment_tag", "tuner_name", "run_id", "run", "name")
"""What tells apart two trainings of one trial number."""
_ROUNDING = 1e-5
"""What single precision makes of 1."""
_FEW_SMALL = 0.1
"""Share of values at most 1 that may be bad trainings among percent; with more of them, fractions are mixed in."""
_STEPS = ("training_iteration", "st_worker_iter", "_step", "global_step", "epoch", "step", "iteration")
"""What grows from one report of a training to the next."""


def read_trials(
    path: str | Path,
    space: Space,
    *,
    metric: Metric = ACCURACY,
    values: Sequence[str] | None = None,
    status: str | None = None,
    succeeded: Collection[str] = (),
    failed: Collection[str] = (),
    columns: Mapping[str, str] | None = None,
    costs: Mapping[str, str] | Sequence[str] = (),
    scale: float | None = None,
    nearest: bool = False,
) -> TrialTable:
    """Finished trials from a CSV, Parquet or JSON file, of nars (`nars store export`) or another tool.

    Headings are found as they are called in the space, also without "recipe.", and behind the prefixes of Optuna, Ray
    Tune, Weights & Biases, Syne Tune, NNI and MLflow. Cells are read by the space's own types, whatever type the file
    has: numbers by value, words by text; what has no effect (`when:`) may be empty or anything.

    Rows of the same candidate are further trainings of it; a row that is equal to another one in every column counts
    once. A row with a failed status, or without value, is a failed training, not a zero; one that has not ended is
    left out. Of reports of one training that went on (a column such as `epoch` or `training_iteration` grows), the last
    one counts.

    Args:
        path: the file; its suffix says the format.
        space: what the choices are choices of. Costs of the file become the costs of a generic space.
        metric: what was measured; exports of stores say it themselves.
        values: columns with the measured values, one per seed; the one that is called like the metric when None.
        status: column that says how a training ended; found by its name when None; "none" for none.
        succeeded: statuses that count as success, beside the usual ones.
        failed: statuses that count as failure, beside the usual ones.
        columns: {name: heading} where they differ; names are settings (also short: "lr" for "recipe.lr"), the metric,
            status, seed, fidelity, and costs.
        costs: columns with costs of generic spaces, or {cost: heading}.
        scale: factor on the values; when None, of those in percent 100 where none is above 1 (fractions), else 1.
        nearest: take the nearest choice for numbers that lie between two, on the dimension's scale, up to half a step
            beyond its ends.

    Raises:
        DataError: the file is missing or of no known form, columns are missing, cells are no numbers, statuses are not
            known, values are outside the metric's range or mix fractions with percent, or no row succeeded.
        SpaceError: cells are none of the space's choices.
    """
    expect(space, Space, "trials are read as those of a space, e.g. load_space('mine.yaml')", error=DataError)
    try:
        file = read_table(Path(path), what="a file of trials")
        if is_export(file) and not (values or columns or costs or scale or status):
            return _measuring(metric, read_export(file, space, nearest=nearest), file)
        chosen = dict(costs) if isinstance(costs, Mapping) else {name: name for name in costs}
        said = dict(columns or {})
        headings = Headings(file=file, space=space, said=said)
        headings.check_names({metric.name, "status", "seed", "fidelity", *chosen})
        return _Reader(
            file=file,
            space=space,
            headings=headings,
            scale=scale,
            nearest=nearest,
            metric=metric,
            measured=headings.values(metric, values or ([said[metric.name]] if metric.name in said else None)),
            status=headings.status(status),
            succeeded=succeeded,
            failed=failed,
            costs={name: headings.column(said.get(name, heading), "--costs") for name, heading in chosen.items()},
        ).table()
    except TableFileError as error:
        raise DataError(str(error)) from None


def _measuring(metric: Metric, table: TrialTable, file: TableFile) -> TrialTable:
    """The trials of an exported store, which are not to be taken for another metric."""
    own = table.metric
    if metric != ACCURACY and (metric.name, metric.goal) != (own.name, own.goal):
        raise DataError(
            f"{file.path} is a store of {own.title}, to {own.goal}, and was to be read as {metric.title}, to "
            f"{metric.goal}; leave --metric out, or name a column of the file by --values"
        )
    return table


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class _Reader:
    """Reads one file, its columns known."""

    file: TableFile
    space: Space
    headings: Headings
    metric: Metric
    measured: list[str]
    """Headings of the values."""
    status: str | None
    succeeded: Collection[str]
    failed: Collection[str]
    costs: Mapping[str, str]
    scale: float | None
    nearest: bool

    def table(self) -> TrialTable:
        """All of it."""
        if self.costs and self.space.computes_costs:
            raise DataError(
                f"{self.space.name} computes its costs itself; leave costs out, they are for generic spaces"
            )
        if self.costs and self.space.table is not None:
            own = ", ".join(self.space.table.names)
            raise DataError(f"{self.space.name} has costs of its own ({own}); leave the columns of costs out")
        remarks = list(self.file.remarks)
        ended: list[Ending] = ["ok"] * self.file.rows
        if self.status is not None:
            ended = endings(
                self.file[self.status],
                path=self.file.path,
                column=self.status,
                succeeded=self.succeeded,
                failed=self.failed,
            )
        rows, ended = self._finished(ended, remarks)
        if ignored := [name for name in self.headings.ignored() if name not in self.costs.values()]:
            remarks.append(
                f"{', '.join(ignored[:8])}{' ...' if len(ignored) > 8 else ''} vary, but {self.space.name} has no such "
                f"setting: trials that differ in nothing else count as trainings of one candidate"
            )
        X = self._choices(rows, remarks)
        values = self._values(rows, ended, remarks)
        keep = self._last_reports(rows, X, remarks)
        keep = keep[self._distinct(rows[keep], X[keep], values[keep], remarks)]
        rows, X, values = rows[keep], X[keep], values[keep]
        ended = [ended[row] for row in keep.tolist()]
        trials = self._single(rows, X, values, ended, self._costs(rows, X, values, remarks))
        space = self.space
        if self.costs:
            known = np.all([np.isfinite(column) for column in trials.costs.values()], axis=0)
            space = with_costs(space, trials.X[known], {name: c[known] for name, c in trials.costs.items()})
        table = gather(str(self.file.path), space, X, values, self.metric)
        return replace(table, name=trials.name, trials=trials, remarks=tuple(remarks))

    def _finished(self, ended: list[Ending], remarks: list[str]) -> tuple[Ints, list[Ending]]:
        """The rows that have ended."""
        ended = self._ended_reports(ended)
        rows = np.array([row for row, ending in enumerate(ended) if ending != "unfinished"], dtype=np.int64)
        if len(rows) < len(ended):
            remarks.append(f"{len(ended) - len(rows):,} rows have not ended by their status and are left out")
        if not len(rows):
            raise DataError(f"{self.file.path}: no row has ended by its status (column {self.status!r})")
        return rows, [ended[row] for row in rows.tolist()]

    def _ended_reports(self, ended: list[Ending]) -> list[Ending]:
        """Syne Tune reports while a trial goes on; one that it did not stop before the longest ones' end has ended."""
        columns = self.file.columns
        if self.status != "st_status" or not {"st_decision", "st_worker_iter"} <= set(columns):
            return ended
        steps = _steps(columns["st_worker_iter"])
        longest = max(steps)
        return [
            "error"
            if str(decision) == "STOP" and step < longest
            else "ok"
            if ending == "unfinished" and step == longest
            else ending
            for ending, decision, step in zip(ended, columns["st_decision"], steps, strict=True)
        ]

    def _choices(self, rows: Ints, remarks: list[str]) -> Population:
        found = self.headings.settings
        picked = rows.tolist()
        cells = self.space.cells(
            {setting: list(map(self.file[heading].__getitem__, picked)) for setting, heading in found.items()},
            rows=len(rows),
            literal=False,
            nearest=self.nearest,
            tolerance={s: self.file.tolerance[h] for s, h in found.items() if h in self.file.tolerance},
        )
        X, faults, moved = cells.read()
        if faults:
            self._refuse(faults, rows)
        for move in moved:
            given, choice = move.example
            remarks.append(
                f"{move.setting}: {move.rows:,} of {len(rows):,} cells were between two choices and the nearest was "
                f"taken, at most {100 * move.farthest:.2g} % of the range away ({given} became {choice})"
            )
        return self.space.canonical(X)

    def _refuse(self, faults: Sequence[Fault], rows: Ints) -> NoReturn:
        """Raise the error that lists what is no choice."""
        found = self.headings.settings
        if unnamed := dict.fromkeys(fault.setting for fault in faults if fault.setting not in found):
            lines = [self.headings.missing(setting) for setting in unnamed]
            shown = one_message(f"settings of {self.space.name} without a column", lines)
            raise DataError(f"{self.file.path}: {shown}. It has {self.file.headings}")
        lines = []
        for fault in faults:
            heading = found[fault.setting]
            column = "" if heading == fault.setting else f" (column {heading!r})"
            lines.append(f"row {rows[fault.row] + 1}: {fault.setting}{column} {fault.text}")
        shown = one_message(f"cells that are no choices of {self.space.name}", lines)
        numbers = not self.nearest and any("the nearest:" in fault.text for fault in faults)
        hint = "; --nearest takes the nearest choice for numbers between two" if numbers else ""
        raise SpaceError(f"{self.file.path}: {shown}{hint}")

    def _values(self, rows: Ints, ended: list[Ending], remarks: list[str]) -> Floats:
        """Measured values (rows, columns), NaN for a failed training."""
        name, values, faults = self.metric.name, np.full((len(rows), len(self.measured)), np.nan), []
        percent = np.zeros(values.shape, dtype=bool)
        for at, heading in enumerate(self.measured):
            column = self.file[heading]
            for number, row in enumerate(rows.tolist()):
                cell = column[row]
                if ended[number] != "ok" or is_nothing(cell) or str(cell).strip() in ("-", "?"):
                    continue
                found = number_of(cell)
                signed = self.metric.unit == "%" and isinstance(cell, str) and cell.strip().endswith("%")
                if found is None and signed:
                    found, percent[number, at] = number_of(cell.strip()[:-1]), True
                if found is None:
                    faults.append((row, f"row {row + 1}: the {name} (column {heading!r}) is no number: {cell!r}"))
                elif np.isfinite(found):
                    values[number, at] = found
        if faults:
            lines = [text for _, text in sorted(faults)]
            raise DataError(f"{self.file.path}: {one_message(f'cells without a number for {name}', lines)}")
        if self.measured != [name]:
            better = "higher" if self.metric.maximized else "lower"
            remarks.append(f"{name} is taken from {', '.join(map(repr, self.measured))}; {better} counts as better")
        unexplained = int(((~np.isfinite(values)).all(axis=1) & np.array([end == "ok" for end in ended])).sum())
        if self.status is not None and unexplained:
            remarks.append(f"{unexplained:,} rows ended well by their status but have no {name}: they count as failed")
        known = np.isfinite(values)
        return values * self._scale(values[known], percent[known], remarks)

    def _scale(self, values: Floats, percent: Bools, remarks: list[str]) -> float:
        """The factor on the values (n,); `percent` says which of them were written with a percent sign."""
        name, least, most = self.metric.name, self.metric.low, self.metric.high
        scale = self.scale
        if scale is None and self.metric.unit == "%":
            scale = self._percent(values, percent, remarks)
        scale = scale or 1.0
        ends = np.array([values.min(), values.max()]) if len(values) else np.zeros(0)
        if self.scale != 1 and ((ends * scale < least) | (ends * scale > most + 100 * _ROUNDING)).any():
            unit = "percent" if self.metric.unit == "%" else self.metric.unit or "a number"
            fractions = " or fractions (0 to 1)" if self.metric.unit == "%" and self.scale is None else ""
            raise DataError(
                f"{self.file.path}: {name} is taken as {unit} ({least:g} to {most:g})"
                f"{fractions}, but the column {', '.join(map(repr, self.measured))} goes from {ends[0]:g} to "
                f"{ends[1]:g}. Name the right one by --values, or say by --metric what it is, e.g. --metric "
                f"val_loss:minimize; --scale 1 takes it as it is"
            )
        return scale

    def _percent(self, values: Floats, percent: Bools, remarks: list[str]) -> float:
        """100 for fractions, 1 for percent, by how large they are."""
        name = self.metric.name
        if not len(values):
            return 1.0
        low, high, small = float(values.min()), float(values.max()), values <= 1
        if not percent.any() and high <= 1 + _ROUNDING:
            if low >= 0:
                remarks.append(
                    f"{name} goes from {low:g} to {high:g}: fractions, taken times 100; --scale 1 if they are percent"
                )
            return 100.0
        unsigned = int((small & ~percent).sum())
        if unsigned and (percent.any() or unsigned > max(2, _FEW_SMALL * len(values))):
            signs = f" ({int(percent.sum()):,} with a percent sign)" if percent.any() else ""
            raise DataError(
                f"{self.file.path}: {name} mixes fractions with percent: {unsigned:,} of {len(values):,} values are at "
                f"most 1, the largest is {high:g}{signs}. Bring them to one unit; --scale 1 if all are percent as they "
                f"stand"
            )
        if unsigned:
            remarks.append(
                f"{name} goes from {low:g} to {high:g} and is taken as percent, also the {unsigned:,} that are at most "
                f"1; --scale overrules"
            )
        return 1.0

    def _last_reports(self, rows: Ints, X: Population, remarks: list[str]) -> Ints:
        """Positions of the rows that count: of reports on one trial the last."""
        plain = {heading.strip().casefold(): heading for heading in self.file.columns}
        own = next((plain[name] for name in _TRIAL_IDS if name in plain), None)
        used = set(self.headings.settings.values())
        stepping = next((plain[name] for name in _STEPS if name in plain and plain[name] not in used), None)
        if stepping is None:
            return np.arange(len(rows))
        cells = self.file[stepping]
        steps = _steps(cells)
        others = [heading for name in _REPEATS if (heading := plain.get(name)) is not None]
        told = [heading for heading in (own, self.headings.seed(), *others) if heading is not None]
        ids = [self.file.columns[heading] for heading in dict.fromkeys(told)]
        lasts: dict[tuple[Any, ...], list[int]] = {}
        for at, row in enumerate(rows.tolist()):
            last = lasts.setdefault((X[at].tobytes(), *(str(column[row]) for column in ids)), [])
            step, reached = steps[row], steps[rows[last[0]] if last else row]
            if step > reached or (step == reached and own is not None):
                last.clear()
            if step >= reached:
                last.append(at)
        keep = np.array(sorted(at for last in lasts.values() for at in last), dtype=np.int64)
        if len(keep) < len(rows):
            remarks.append(
                f"{len(rows):,} rows are reports on {len(keep):,} trainings that went on (column {stepping!r}); the "
                f"last of each counts"
            )
        lengths = [steps[row] for row in rows[keep].tolist() if not is_nothing(cells[row])]
        if lengths and min(lengths) < max(lengths):
            remarks.append(
                f"trainings are of different length ({min(lengths):g} to {max(lengths):g} steps) and are compared all "
                f"the same; leave the short ones out if they were stopped early"
            )
        return keep

    def _distinct(self, rows: Ints, X: Population, values: Floats, remarks: list[str]) -> Ints:
        """Positions of the rows without those that are equal to an earlier one in every column."""
        columns = [cells for name, cells in self.file.columns.items() if name.strip().casefold() not in _NO_TRAINING]
        alike = Counter((row.tobytes(), found.tobytes()) for row, found in zip(X, values, strict=True))
        seen: set[tuple[str, ...]] = set()
        keep = []
        for at, row in enumerate(rows.tolist()):
            if alike[X[at].tobytes(), values[at].tobytes()] > 1:
                content = tuple(str(cells[row]) for cells in columns)
                if content in seen:
                    continue
                seen.add(content)
            keep.append(at)
        if len(keep) < len(rows):
            remarks.append(f"{len(rows) - len(keep):,} rows are equal to another one in every column and count once")
        return np.array(keep, dtype=np.int64)

    def _costs(self, rows: Ints, X: Population, values: Floats, remarks: list[str]) -> dict[str, Floats]:
        """Costs of each row, equal ones for equal candidates; NaN where only failed trainings lack them."""
        if not self.costs:
            return self.space.costs(X) if self.space.cost_names else {}
        which = np.unique(X, axis=0, return_inverse=True)[1].ravel()
        succeeded = np.isfinite(values).any(axis=1)
        found, faults = {}, []
        for name, heading in self.costs.items():
            column = self.file[heading]
            numbers = np.array([np.nan if (n := number_of(column[row])) is None else n for row in rows.tolist()])
            known = np.isfinite(numbers)
            counts = np.bincount(which, weights=known)
            with np.errstate(invalid="ignore"):
                mean = np.bincount(which, weights=np.where(known, numbers, 0.0)) / counts
            of_row = mean[which]
            for at in np.flatnonzero(~np.isfinite(of_row) & succeeded).tolist():
                cell = column[rows[at]]
                faults.append(
                    (int(rows[at]), f"row {rows[at] + 1}: {name} (column {heading!r}) is no number: {cell!r}")
                )
            differ = known & (np.abs(numbers - of_row) > 1e-6 * np.abs(of_row))
            if differ.any():
                remarks.append(
                    f"{name} differs between rows of {len(np.unique(which[differ])):,} candidates; their mean counts"
                )
            # Equal to the last digit where nothing differs: a mean is rounded.
            exact = np.full(len(mean), np.nan)
            exact[which[known][::-1]] = numbers[known][::-1]
            found[name] = np.where(np.isin(which, which[differ]), of_row, exact[which])
        if faults:
            lines = [text for _, text in sorted(faults)]
            raise DataError(f"{self.file.path}: {one_message('cells that are no costs', lines)}")
        return found

    def _single(
        self, rows: Ints, X: Population, values: Floats, ended: list[Ending], costs: Mapping[str, Floats]
    ) -> Trials:
        """One training for each value, one for each row without any."""
        counts = np.isfinite(values)
        counts[~counts.any(axis=1), 0] = True
        places, found = np.nonzero(counts)[0], values[counts]
        status: list[Status] = []
        for at, number in zip(places.tolist(), found.tolist(), strict=True):
            status.append("ok" if np.isfinite(number) else _without_value(ended[at]))
        unmeasured = f"no {self.metric.name}"
        words = self.file[self.status] if self.status is not None else None
        seeds = self._seeds(rows)
        fidelity = self.headings.others("fidelity")
        named = self.file[fidelity] if fidelity is not None and fidelity in self.headings.said.values() else None
        return Trials(
            name=self.file.path.stem,
            space=self.space,
            X=X[places],
            values=found,
            status=status,
            metric=self.metric,
            message=[
                ""
                if how == "ok"
                else f"{words[rows[at]] if words and ended[at] != 'ok' else unmeasured} in the imported table"
                for how, at in zip(status, places.tolist(), strict=True)
            ],
            seed=[] if seeds is None else [seeds[at] for at in places.tolist()],
            fidelity=[] if named is None else [str(named[rows[at]]).strip() for at in places.tolist()],
            costs={name: column[places] for name, column in costs.items()},
        )

    def _seeds(self, rows: Ints) -> list[int | None] | None:
        """The seed of each row; None where there is no column of whole numbers."""
        heading = self.headings.seed()
        if heading is None:
            return None
        found: list[int | None] = []
        faults = []
        for row in rows.tolist():
            number = number_of(cell := self.file[heading][row])
            whole = number is not None and float(number).is_integer() and 0 <= number < 2**63
            if not whole and not is_nothing(cell):
                faults.append(f"row {row + 1}: the seed (column {heading!r}) is no whole number: {cell!r}")
            found.append(int(cell if isinstance(cell, int) else number) if whole and number is not None else None)
        if faults and heading in self.headings.said.values():
            raise DataError(f"{self.file.path}: {one_message('these cells are no seeds', faults)}")
        return None if faults else found


def _steps(cells: Sequence[Any]) -> list[float]:
    """How far each row is; 0 where it does not say, as by a NaN."""
    return [0.0 if is_nothing(cell) else number_of(cell) or 0.0 for cell in cells]


def _without_value(ending: Ending) -> Status:
    """What a training that has no value is in a store."""
    match ending:
        case "ok" | "unfinished":
            return "error"
        case _:
            return ending
