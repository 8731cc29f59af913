"""`nars search --predictor`: ask a trained predictor about other budgets."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.table import Table

from nars.atomic import write_json
from nars.predictors import Predictor
from nars.search import Family, search_family
from nars.space import Bounds, LatencyCosts, LatencyTable, Space, quantity, shorten
from nars.stages import ConfigError, open_predictor
from nars.stages.searching import scorer

if TYPE_CHECKING:
    from collections.abc import Sequence


def ask(
    predictor: str,
    *,
    most: Mapping[str, str | None],
    least: Mapping[str, str | None],
    seed: int,
    latency: Path | None,
    file: Path | None,
) -> None:
    """Search for each budget, print a table, and write JSON where a file is named.

    Args:
        predictor: shipped name, predictor folder or run folder.
        most: upper limits by cost; several budgets are separated by commas.
        least: lower limits by cost.
        seed: of the search.
        latency: a device table; the cost "latency" (milliseconds) is then known.
        file: where to write the answer, or None.

    Raises:
        ConfigError: no limit is given, or two costs have several budgets of different number.
        InfeasibleError: nothing keeps a budget; the text names the nearest that is feasible.
    """
    space, model = open_predictor(predictor)
    if latency is not None:
        space = space.with_table(LatencyCosts(space=space, table=LatencyTable.read(latency)))
    elif most.get("latency"):
        raise ConfigError("--max-latency needs --latency TABLE; make one with nars latency SPACE")
    budgets = _budgets(most, least)
    started = time.perf_counter()
    family = search_family(space, scorer(space, model), budgets, rng=np.random.default_rng(seed))
    seconds = time.perf_counter() - started
    answer = _answer(space, model, family, budgets)
    Console().print(_table(answer, seconds))
    for entry in answer:
        recipe = {k.removeprefix("recipe."): v for k, v in entry["record"].items() if k.startswith("recipe.")}
        Console().print(f"{entry['budget']}: " + ", ".join(f"{k} {v}" for k, v in recipe.items()), soft_wrap=True)
    if file is not None:
        write_json(file, {"space": space.name, "fingerprint": space.fingerprint, "seconds": seconds, "members": answer})


def _budgets(most: Mapping[str, str | None], least: Mapping[str, str | None]) -> list[Bounds]:
    high = {name: [quantity(part) for part in text.split(",")] for name, text in most.items() if text}
    low = {name: quantity(text) for name, text in least.items() if text}
    if not high and not low:
        raise ConfigError("a question needs at least one limit, e.g. --max-flops 450M,550M")
    count = max((len(values) for values in high.values()), default=1)
    uneven = {name: len(values) for name, values in high.items() if len(values) not in (1, count)}
    if uneven:
        raise ConfigError(f"each limit takes one value or {count}, one per budget, got {uneven}; add or drop some")
    return [
        Bounds(
            {
                name: (
                    low.get(name, 0.0),
                    high[name][i if len(high[name]) > 1 else 0] if name in high else float("inf"),
                )
                for name in dict.fromkeys([*high, *low])
            }
        )
        for i in range(count)
    ]


def _answer(space: Space, model: Predictor, family: Family, budgets: Sequence[Bounds]) -> list[dict[str, Any]]:
    prediction = model.predict(space.encode(family.rows))
    return [
        {
            "budget": str(bounds),
            "predicted": float(mean),
            "predicted_std": float(std),
            "costs": member.costs,
            "evaluations": member.evaluations,
            "record": record,
        }
        for bounds, member, mean, std, record in zip(
            budgets, family.members, prediction.mean, prediction.std, space.to_records(family.rows), strict=True
        )
    ]


def _table(answer: list[dict[str, Any]], seconds: float) -> Table:
    table = Table(title=f"{len(answer)} budgets in {seconds:.2f} s", title_justify="left")
    for heading in ("budget", "FLOPs", "params", "ms", "px", "predicted", "scored"):
        table.add_column(heading, justify="left" if heading == "budget" else "right")
    for entry in answer:
        costs = entry["costs"]
        table.add_row(
            entry["budget"], *(shorten(costs[name]) if name in costs else "-" for name in ("flops", "params")),
            f"{costs['latency']:.2f}" if "latency" in costs else "-",
            f"{costs['resolution']:.0f}" if "resolution" in costs else "-",
            f"{entry['predicted']:.2f} ± {entry['predicted_std']:.2f} %", f"{entry['evaluations']:,}",
        )  # fmt: skip
    return table
