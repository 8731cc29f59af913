"""A run in a few sentences: what was searched, how long that took, what came out, how sure it is, how it is used."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator
from pathlib import Path

from nars.export.layout import STANDALONE
from nars.files import read_table
from nars.printing import counted
from nars.report.findings import Findings
from nars.run.identity import DataFacts
from nars.space import cost_unit, dump_yaml, read_document, read_space, shorten
from nars.space.describe import power
from nars.stages.member import Member


def summary(findings: Findings) -> list[tuple[str, str]]:
    """(question, answer) for people who see nothing else of the run."""
    told = (
        ("What was searched", _searched(findings)),
        ("How long it took", " ".join(_took(findings))),
        ("What came out", " ".join(_found(findings))),
        ("How sure it is", " ".join(_sure(findings))),
    )
    return [(question, answer) for question, answer in told if answer]


def usage(findings: Findings) -> tuple[str, str] | None:
    """The exported member that is largest, and Python that uses it; None where none is exported.

    The code is for the folder from which the run was started.
    """
    exported = [member for member in findings.family.members if member.name in findings.cards]
    if not exported:
        return None
    member = max(exported, key=lambda one: one.costs["flops"])
    folder = findings.folder.member(member.same_as or member.name)
    if STANDALONE in findings.cards[member.name].files:
        code = f"import sys; sys.path.insert(0, {_as_seen(folder)!r})\nfrom model import predict\n"
        return member.name, f'{code}print(predict("photo.jpg"))  # {{class: probability}}, the likeliest first'
    return member.name, f"# {_as_seen(folder / 'README.md')} has the code for this network"


def to_repeat(findings: Findings) -> dict[str, str]:
    """Files by which the run is made again, {name: text}."""
    space = findings.folder.space_file
    config = {key: value for key, value in findings.run["config"].items() if value is not None}
    own = dict(_own_space(space)) if space.is_file() else {}
    return {"repeat.yaml": dump_yaml(config | ({"space": "space.yaml"} if own else {})), **own}


_COSTS = "space.costs.csv"


def _own_space(file: Path) -> Iterator[tuple[str, str]]:
    """The run's space, and the table of costs that it names, as CSV whatever it was; (name, text)."""
    text = file.read_text(encoding="utf-8")
    costs = read_document(file).content.get("costs")
    if isinstance(costs, str):
        table, written = read_table(file.parent / costs, what="a table of costs"), io.StringIO()
        rows = csv.writer(written, lineterminator="\n")
        rows.writerow(table.columns)
        rows.writerows(zip(*table.columns.values(), strict=True))
        yield _COSTS, written.getvalue()
        text = text.replace(costs, _COSTS)
    yield "space.yaml", text


def _searched(findings: Findings) -> str:
    config, folder = findings.config, findings.folder
    if not folder.space_file.is_file():
        return ""
    space = read_space(read_document(folder.space_file))
    sizes = f"{power(space.size('architecture'))} architectures x {power(space.size('recipe'))} recipes"
    within = f", within {config.range}" if config.range.limits else ""
    on = f"images of {findings.run['data']['name']}" if config.trains_images else findings.run["data"]["name"]
    return f"{sizes} ({space.name}){within}, by {findings.metric.title} on {on}."


def _took(findings: Findings) -> Iterator[str]:
    if len(findings.samples):
        searched = findings.samples["round"] >= 1  # those of no round verify answers
        for of, what in ((searched, "trainings of the search"), (~searched, "trainings that verify answers")):
            if count := int(of.sum()):
                seconds = float(findings.samples["seconds"][of].sum())
                yield f"{count:,} {what} in {_time(seconds)} of one worker's time,"
    if findings.results:
        seconds = sum({result.weights: result.seconds for result in findings.results.values()}.values())
        yield f"final training in {_time(seconds)};"
    yield f"started {findings.run['started'].replace('T', ' ').removesuffix('+00:00')} UTC."


def _found(findings: Findings) -> Iterator[str]:
    family, metric = findings.family.members, findings.metric
    if not family:
        yield "Nothing yet: the search is not done."
        return
    yield f"{len(family)} {'members' if len(family) > 1 else 'member'}, one for each budget{_span(findings)}."
    test = [result.test for result in findings.results.values()]
    reached = test or [sample.result for sample in findings.measured.values() if sample.result is not None]
    if reached:
        low, high = sorted((min(reached), max(reached)), key=metric.score)
        to = f"{metric.figure(low)} to " if low != high else ""
        where, name = "On the test images" if test else "Measured", metric.name.replace("_", " ")
        yield f"{where}: {name} {to}{metric.spell(high)}."
    if len(reached) < len(family):
        yield f"Not all are trained to the end; nars run {_as_seen(findings.folder.path)} goes on."


def _span(findings: Findings) -> str:
    """ " of FLOPs, 128k to 457k" """
    family, cost = findings.family.members, findings.binned
    values = [member.costs[cost] for member in family if cost is not None and cost in member.costs]
    if not values:
        return ""
    unit = cost_unit(cost or "")
    ends = dict.fromkeys(shorten(value) for value in (min(values), max(values)))
    return f", {' to '.join(ends)} {unit}"


def _sure(findings: Findings) -> Iterator[str]:
    tau = next((result.tau for result in reversed(findings.rounds) if result.tau is not None), None)
    if tau is not None:
        word = "well" if tau >= 0.6 else "fairly well" if tau >= 0.3 else "hardly better than chance"
        yield f"The predictor had put the candidates of the last round in order {word} (tau {tau:.2f})."
    spread = [noise for member in findings.family.members if (noise := _chance(findings, member)) is not None]
    if spread:
        yield (
            f"With {_tested(findings):,} test images an accuracy is good to ± {max(spread):.2f} % (one standard "
            f"deviation): what lies closer together may be chance."
        )
    advice = findings.rounds[0].advice if findings.rounds else None
    remarks = len(findings.family.attention) + (0 if advice is None else len(advice.warnings))
    if remarks:
        yield f"Below the table: {counted(remarks, 'remark')}."


def _tested(findings: Findings) -> int:
    """Test images; 0 where a run of an earlier version does not say."""
    images = DataFacts.of(findings.run["data"]).images
    return 0 if images is None else images[-1]


def _chance(findings: Findings, member: Member) -> float | None:
    """Standard deviation of a test accuracy, percent, as so many images are a sample of all there could be."""
    result = findings.results.get(member.name)
    if result is None or result.test_classes is None or not (count := _tested(findings)):
        return None
    share = result.test_accuracy / 100
    return 100 * math.sqrt(share * (1 - share) / count)


def _as_seen(path: Path) -> str:
    """A path as the one who reads this would type it."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_absolute() and path.is_relative_to(here) else str(path)


def _time(seconds: float) -> str:
    for unit, length in (("days", 86400.0), ("hours", 3600.0), ("minutes", 60.0)):
        if seconds >= 2 * length:
            return f"{seconds / length:,.0f} {unit}"
    return f"{seconds:.0f} seconds"
