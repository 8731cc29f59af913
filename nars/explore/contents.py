"""The page's data: one JSON document."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from nars.explore.answers import Answers
from nars.explore.source import Source, reduced
from nars.run.journal import read_results
from nars.space import RECIPE_SAYS, Space, cost_unit
from nars.space.dimension import Fixed
from nars.stages import predicted_of
from nars.stages.members import family_in
from nars.train.result import MemberResult

_PRINTED = ("key", "status", "round", "epochs", "planned_epochs", "seconds", "message", "seed", "finished")


def contents(source: Source, answers: Answers | None) -> dict[str, Any]:
    """All that a page shows.

    Args:
        source: what is explored.
        answers: computed beforehand; None while there is no predictor.
    """
    metric, space, config = source.metric, source.space, source.config
    document: dict[str, Any] = {
        "name": Path(source.name).name if config is None else config.name,
        "asked": source.name,
        "about": "" if config is None else config.about,
        "space": space.name,
        "metric": {
            "name": metric.name,
            "title": metric.title,
            "unit": metric.unit,
            "sign": 1 if metric.maximized else -1,
        },
        "of": "" if source.predictor is None else predicted_of(source.name, metric),
        "costs": [{"name": name, "unit": cost_unit(name)} for name in space.cost_names],
        "settings": _settings(space),
        "reads": {
            f"recipe.{name}": [says.rule.read[0], list(says.rule.read[1])]
            for name, says in RECIPE_SAYS.items()
            if says.rule.read is not None
        },
        "networks": space.family.builder is not None,
        "trains": source.trains,
        "front": None,
        "effects": [],
        "family": family(source),
        "samples": samples(source),
        "progress": progress(source),
        "live": False,
    }
    return document if answers is None else document | answers.document


def samples(source: Source, *, since: str = "") -> list[dict[str, Any]]:
    """The outcomes in the run's store, those that were finished at that time (ISO 8601) or later."""
    store = source.store
    identity = None if store is None else store.identity
    if store is None or identity is None or identity.space != source.space.fingerprint:
        return []
    metric = identity.metric
    columns = [*_PRINTED, "choices", metric.name, metric.averaged, "curve", "ema_curve"]
    table = store.table()
    costs = [name for name in table.column_names if name.startswith("cost.")]
    kept = table.select([name for name in (*columns, *costs) if name in table.column_names]).to_pylist()
    rows = [row for row in kept if (row["finished"] or "") >= since]
    found = [_sample(row, metric.name, metric.averaged, costs) for row in rows]
    if source.predictor is not None and found:
        said = source.predictor.predict(
            source.predictor.inputs(source.space, np.array([one["row"] for one in found], dtype=np.int64))
        )
        means = metric.inside(said.mean)
        for one, mean, std in zip(found, means.tolist(), said.std.tolist(), strict=True):
            one |= {"value": reduced(mean), "std": reduced(std, 3)}
    return found


def _sample(row: dict[str, Any], name: str, averaged: str, costs: list[str]) -> dict[str, Any]:
    value = row[name] if row.get(averaged) is None else row[averaged]
    return {
        **{column: row.get(column) for column in _PRINTED},
        "seconds": reduced(row["seconds"], 3),
        "row": row["choices"],
        "measured": None if value is None else reduced(value),
        "curve": [reduced(point, 4) for point in row.get("ema_curve") or row.get("curve") or ()],
        "costs": {cost.removeprefix("cost."): reduced(row[cost]) for cost in costs if row[cost] is not None},
    }


def family(source: Source) -> list[dict[str, Any]]:
    """The run's members that the predictor knows, with what final training has made of them."""
    if source.run is None:
        return []
    members = []
    for member in family_in(source.run).members:
        if math.isnan(member.predicted):  # nothing was searched, there is nothing to show it beside
            continue
        file = source.run.training_result(member.same_as or member.name)
        result = MemberResult.load(file) if file.is_file() else None
        members.append(
            {
                "name": member.name,
                "budget": {cost: high for cost in member.budget if math.isfinite(high := member.budget.high(cost))},
                "row": list(member.choices),
                "costs": {cost: reduced(value) for cost, value in member.costs.items()},
                "value": reduced(member.predicted),
                "std": reduced(member.predicted_std, 3),
                "validation": None if result is None else reduced(result.validation),
                "test": None if result is None else reduced(result.test),
            }
        )
    return members


def progress(source: Source) -> str:
    """Where the run stands, in a sentence; nothing for a predictor alone."""
    if source.run is None or source.config is None:
        return ""
    folder, done, rounds = source.run, len(read_results(source.run)), source.config.collect.rounds
    names = [member.same_as or member.name for member in family_in(folder).members]
    trained = sum(folder.training_result(name).is_file() for name in names)
    exported = sum((folder.member(name) / "card.json").is_file() for name in names)
    members = f"; of {len(names)} members {trained} fully trained, {exported} exported" if names else ""
    return f"{done} of {rounds} rounds done{members}"


def _settings(space: Space) -> list[list[Any]]:
    """[name, values, column of a row or None where there is one value alone] of every setting."""
    return [
        [name, list(space.values(name)), None if isinstance(setting, Fixed) else setting.dimension]
        for name, setting in space.settings.items()
    ]
