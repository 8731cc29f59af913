"""`nars search --predictor`: ask a trained predictor about other budgets, or for a front."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np

from nars.cli.options import Question
from nars.errors import ConfigError
from nars.files.atomic import replacing, write_json
from nars.metric import Metric
from nars.printing import plain_console, print_lines
from nars.report import FittingTable, doubtful
from nars.run.config import RunConfig
from nars.run.folder import RunFolder, read_json
from nars.run.journal import read_results
from nars.space import SECONDS, Bounds, Space, limit_of, quantity, recipe_in, shorten
from nars.stages import (
    TRAININGS_EACH,
    Answer,
    FamilyAnswer,
    FrontAnswer,
    SavedAnswer,
    TrainingTime,
    ask,
    ask_front,
    doubts,
    evidence_of,
    open_predictor,
    predicted_of,
    save_answers,
)
from nars.stages.asking import Choice, gain_text, prediction_text

_SHOWN = 30
"""Lines of a front on the terminal; files have all."""
_LEGEND = (
    "gain: over the member before. ties: candidates with 10 % chance or more to be better ({many}). train: how many to "
    "train briefly, this one first, and by how much the best of them is expected to be better; one more would add less "
    "than a twentieth of the ±. --out FOLDER keeps them; nars verify FOLDER/BUDGET trains them."
)
_CUT = "+: more than the 1,024 best, which are looked at"
_TOLD = 64
"""Ranks that files tell of, beside the candidates to train."""


def query(question: Question, out: Path | None = None) -> None:
    """Ask, print a table, and write the files and folders that are named.

    Raises:
        ConfigError: no limit is given, or two costs have several budgets of different number.
        InfeasibleError: nothing keeps a budget; the text names the nearest that is feasible.
    """
    predictor, seed, latency = str(question.predictor), question.seed, question.latency
    if latency is None and (own := RunFolder(Path(predictor)).table_file).is_file():
        latency = own
    objectives = [name.strip() for name in question.pareto.split(",")] if question.pareto else []
    if latency is None and (question.max_latency or "latency" in objectives):
        command = shlex.join(["nars", "latency", predictor, "--out", "latency.json"])
        raise ConfigError(f"latency needs --latency TABLE; make one by: {command}")
    budgets = _budgets(question) or _unlimited(predictor)
    if out is not None and (objectives or out.suffix in (".json", ".parquet")):
        what = "a front goes to a file" if objectives else "a file is written"
        raise ConfigError(
            f"--out names a folder that gets one for each budget, got {out}; {what} by --json or --parquet"
        )
    console = plain_console()
    if objectives:
        if len(budgets) > 1:
            raise ConfigError(f"a front takes one limit of each cost, got {len(budgets)}; or drop --pareto")
        front = ask_front(predictor, objectives, budgets[0] if budgets else None, seed=seed, latency=latency)
        print_lines(
            console,
            f"front of {front.metric.name} against {', '.join(objectives)}: {len(front.front.rows)} candidates of "
            f"{front.evaluations:,} scored in {front.seconds:.2f} s",
        )
        console.print(_front_table(front, [*objectives, *(name for budget in budgets for name in budget)]))
        console.print(f"predicted: {predicted_of(predictor, front.metric)}", style="dim")
        space, rows = front.space, _plain(front.space, front.front)
        document = _head(front.space, front.seconds) | {"pareto": objectives, "front": rows}
    else:
        if not budgets:
            raise ConfigError("a question needs at least one limit, e.g. --max-flops 450M,550M, or --pareto flops")
        family = ask(predictor, budgets, seed=seed, latency=latency)
        console.print(f"{len(budgets)} budget{'s' * (len(budgets) > 1)} answered in {family.seconds:.2f} s")
        console.print(_family_table(family))
        console.print(f"predicted: {predicted_of(predictor, family.metric)}", style="dim")
        many = _CUT if any(budget.cut for budget in family.budgets) else "of the best found"
        console.print(_LEGEND.format(many=many), style="dim")
        for budget, record in zip(family.budgets, _first_records(family), strict=True):
            named = family.space.family.builder is None  # else settings of a network, which would fill the screen
            shown = {name.removeprefix("recipe."): value for name, value in record.items()}
            settings = ", ".join(f"{k} {_short(v)}" for k, v in (shown if named else recipe_in(record)).items())
            print_lines(console, f"{budget.bounds}: {settings}")
        for doubt in doubtful(_doubts(predictor, family)):
            console.print(doubt)
        if out is not None:
            for line in _kept(save_answers(family, predictor, out)):
                print_lines(console, line)
        space, rows = family.space, _family_rows(family)
        document = _head(family.space, family.seconds) | {"members": _members(rows)}
    if isinstance(timed := space.table, TrainingTime):
        note = f"s: seconds of a training of the search; {timed.agreement.apart}, on trainings left out"
        console.print(note, style="dim")
    if question.json_file is not None:
        write_json(question.json_file, document)
    if question.parquet_file is not None:
        _write_parquet(question.parquet_file, rows)


def _kept(answers: Sequence[SavedAnswer]) -> Iterator[str]:
    """Where each answer is, and what to do with it."""
    for answer in answers:
        count = len(answer.candidates)
        gain = f"{gain_text(answer.metric, answer.plan.gains[-1])} {answer.metric.unit}".rstrip()
        folder = shlex.quote(str(answer.folder))
        often = f"{count} to {TRAININGS_EACH * count} brief trainings, {gain} expected"
        steps = [f"nars verify {folder} ({often})"] if count > 1 else []
        steps = [] if answer.verified else steps
        networks = answer.space.family.builder is not None
        steps.append(f"nars train {folder}" if networks else "train by its settings.yaml")
        done = "" if answer.verified is None else " (verified)"
        yield f"{answer.folder}{done}: {', then '.join(steps)}"


def _doubts(predictor: str, family: FamilyAnswer) -> tuple[str, ...]:
    """What not to rely on; of a run folder also what its trainings say."""
    answers = (
        Answer(
            name=str(budget.bounds),
            record=record,
            predicted=float(budget.ties.predicted[0]),
            std=float(budget.ties.predicted_std[0]),
        )
        for budget, record in zip(family.budgets, _first_records(family), strict=True)
    )
    home = RunFolder(Path(predictor))
    evidence = evidence_of(answers, family.space, read_results(home), metric=family.metric, best_seen=family.best_seen)
    found = doubts(evidence)
    return (*_guesses(home, family), *found)


def _guesses(home: RunFolder, family: FamilyAnswer) -> Iterator[str]:
    """Budgets of sizes that the run has trained nothing of; none of a predictor that is no run's."""
    if not home.run_file.is_file():
        return
    trained = RunConfig.model_validate(read_json(home.run_file)["config"]).range
    for cost, (low, high) in trained.limits.items():
        least, most = trained.ends(cost)
        limits = (budget.bounds.high(cost) for budget in family.budgets if cost in budget.bounds)
        outside = [shorten(limit) for limit in limits if isfinite(limit) and not least <= limit <= most]
        if outside:
            yield (
                f"{' and '.join(outside)} {'lies' if len(outside) == 1 else 'lie'} outside the {cost} that stage 2 "
                f"trained ({shorten(low)} to {shorten(high)}): what is predicted there is a guess. A run of another "
                f"range.{cost} trains there."
            )


def _first_records(family: FamilyAnswer) -> list[dict[str, Any]]:
    """The settings of each budget's member."""
    return [record for budget in family.budgets for record in family.space.to_records(budget.ties.rows[:1])]


def _unlimited(predictor: str) -> list[Bounds]:
    """The one question that a space without costs leaves: which candidate is the best of all."""
    return [] if open_predictor(predictor)[0].cost_names else [Bounds()]


def _budgets(question: Question) -> list[Bounds]:
    """One per budget; none where nothing is limited."""
    most = {
        "flops": question.max_flops,
        "params": question.max_params,
        "activations": question.max_activations,
        "latency": question.max_latency,
        SECONDS: question.max_seconds,
        "resolution": question.max_resolution,
        "peak_activations": question.max_peak_activations,
    }
    least = {"flops": question.min_flops, "resolution": question.min_resolution}
    high = {name: [limit_of(name, part) for part in text.split(",")] for name, text in most.items() if text}
    low = {name: quantity(text) for name, text in least.items() if text}
    if question.budgets is not None:
        if high or low:
            raise ConfigError(
                "--budgets names all limits, e.g. flops=450M+params=5M; leave out --max-... and --min-..."
            )
        return [Bounds.read(part.strip()) for part in question.budgets.split(",")]
    if not high and not low:
        return []
    count = max((len(values) for values in high.values()), default=1)
    uneven = {name: len(values) for name, values in high.items() if len(values) not in (1, count)}
    if uneven:
        raise ConfigError(f"each limit takes one value or {count}, one per budget, got {uneven}; add or drop some")
    high = {name: values if len(values) > 1 else values * count for name, values in high.items()}
    names = dict.fromkeys([*high, *low])
    return [
        Bounds({name: (low.get(name, 0.0), high[name][i] if name in high else float("inf")) for name in names})
        for i in range(count)
    ]


def _family_rows(answer: FamilyAnswer) -> list[dict[str, Any]]:
    """Each budget's member (rank 0), its first near-ties and all that are to be trained, as plain values."""
    rows = []
    for budget in answer.budgets:
        plan = budget.plan
        place = {rank: number for number, rank in enumerate(plan.train.tolist())}
        ranks = sorted({*range(min(_TOLD, len(budget.ties.rows))), *place})
        for rank, row in zip(ranks, _plain(answer.space, _part(budget.ties, ranks)), strict=True):
            verdict = {
                "train": rank in place,
                "train_as": place[rank] + 1 if rank in place else None,
                "expected_gain": float(plan.gains[place[rank]]) if rank in place else None,
                "probability_of_best": float(plan.best[rank]),
                "plan_probability": plan.probability,
                "plan_gain": float(plan.gains[-1]),
                "ties": len(budget.ties.rows) - 1,
                "ties_cut": budget.cut,
            }
            rows.append({"budget": str(budget.bounds), "rank": rank, "evaluations": budget.evaluations} | verdict | row)
    return rows


def _part(choice: Choice, ranks: Sequence[int]) -> Choice:
    at = np.array(ranks, dtype=np.int64)
    return Choice(
        rows=choice.rows[at],
        predicted=choice.predicted[at],
        predicted_std=choice.predicted_std[at],
        costs={name: values[at] for name, values in choice.costs.items()},
        failing=None if choice.failing is None else choice.failing[at],
    )


def _members(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of each budget together: the member with its near-ties in it."""
    members: list[dict[str, Any]] = []
    for row in rows:
        if row["rank"] == 0:
            members.append(row | {"near_ties": []})
        else:
            members[-1]["near_ties"].append(row)
    return members


def _head(space: Space, seconds: float) -> dict[str, Any]:
    return {"space": space.name, "fingerprint": space.fingerprint, "seconds": seconds}


def _write_parquet(file: Path, rows: list[dict[str, Any]]) -> None:
    """One row per candidate, one column per setting and cost."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    flat = [row | {f"cost.{name}": value for name, value in row["costs"].items()} | row["record"] for row in rows]
    table = pa.Table.from_pylist([{k: v for k, v in row.items() if k not in ("costs", "record")} for row in flat])
    with replacing(file) as temporary:
        pq.write_table(table, temporary)


def _plain(space: Space, choice: Choice) -> list[dict[str, Any]]:
    return [
        {
            "predicted": float(choice.predicted[at]),
            "predicted_std": float(choice.predicted_std[at]),
            **({} if choice.failing is None else {"failure_probability": round(float(choice.failing[at]), 4)}),
            "costs": {name: float(values[at]) for name, values in choice.costs.items()},
            "record": record,
        }
        for at, record in enumerate(space.to_records(choice.rows))
    ]


def _family_table(answer: FamilyAnswer) -> FittingTable:
    metric = answer.metric
    asked = [name for budget in answer.budgets for name in budget.bounds]
    columns = _columns([budget.ties for budget in answer.budgets], metric, asked)
    headings, writers = zip(*columns, strict=True)
    gains = ["", *(gain_text(metric, price.gain) for price in answer.prices)]
    rows = [
        [
            str(budget.bounds).replace(", ", "\n"),
            *(write(budget.ties, 0) for write in writers),
            gain,
            f"{len(budget.ties.rows) - 1:,}{'+' * budget.cut}",
            f"{len(budget.plan.train)} for {gain_text(metric, float(budget.plan.gains[-1]))}",
            f"{budget.evaluations:,}",
        ]
        for budget, gain in zip(answer.budgets, gains, strict=True)
    ]
    gain = f"gain {metric.unit}".strip()
    return FittingTable(["budget", *headings, gain, "ties", "train", "scored"], rows, left=["budget"])


def _front_table(answer: FrontAnswer, asked: Sequence[str]) -> FittingTable:
    count = len(answer.front.rows)
    headings, writers = zip(*_columns([answer.front], answer.metric, asked), strict=True)
    step = max(1, -(-count // _SHOWN))
    rows = [[write(answer.front, at) for write in writers] for at in range(0, count, step)]
    caption = f"one of {step}; --json and --parquet write all" if step > 1 else ""
    return FittingTable(headings, rows, caption=caption)


_Writer = Callable[[Choice, int], str]


def _columns(choices: Sequence[Choice], metric: Metric, asked: Sequence[str]) -> list[tuple[str, _Writer]]:
    """What tables show of a candidate: the costs that were asked about, and of the others these; resolutions only where
    they differ, as lines are short."""
    written: dict[str, tuple[str, Callable[[float], str]]] = {
        "flops": ("FLOPs", shorten),
        "params": ("params", shorten),
        "latency": ("ms", "{:.2f}".format),
        "resolution": ("px", "{:.0f}".format),
        SECONDS: ("s", "{:.3g}".format),
    }
    values = {name: np.concatenate([choice.costs[name] for choice in choices]) for name in choices[0].costs}
    shown = [name for name in dict.fromkeys([*written, *asked]) if name in values]
    if "resolution" in shown and "resolution" not in asked and not np.ptp(values["resolution"]):
        shown.remove("resolution")

    def writer(name: str) -> tuple[str, _Writer]:
        heading, write = written.get(name, (name, shorten))
        return heading, lambda choice, at: write(float(choice.costs[name][at]))

    def predicted(choice: Choice, at: int) -> str:
        return prediction_text(metric, float(choice.predicted[at]), float(choice.predicted_std[at]))

    return [*map(writer, shown), (f"predicted {metric.unit}".strip(), predicted)]


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
