"""The page of a run: one file, nothing to load from elsewhere."""

from __future__ import annotations

import math
from base64 import b64encode
from pathlib import Path

from jinja2 import Environment, PackageLoader
from markupsafe import Markup

from nars.evaluate.stopping import StopAdvice
from nars.files.atomic import write_text
from nars.recipe import likely, read_policy
from nars.report.classes import class_views
from nars.report.findings import Findings, read_findings
from nars.report.plots import plots
from nars.report.summary import summary, to_repeat, usage
from nars.report.table import HEADINGS, family_note, family_rows, own_rows
from nars.run.folder import RunFolder
from nars.stages.member_latency import DeviceLatency

_LARGEST = 1_000_000
"""Bytes of a page that is to be mailed."""
_MISTAKES = (24, 12, 6, 0)
"""Pictures of each member, the first number that fits."""


def write_report(folder: RunFolder) -> Path:
    """Write report.html into the run folder and return its path; also from an unfinished run.

    Raises:
        DataError: it is no run folder, or one of its files is damaged.
    """
    findings = read_findings(folder)
    write_text(folder.report_file, render(findings))
    return folder.report_file


def render(findings: Findings) -> str:
    """The page as text, 1 MB at most as far as pictures are to blame. Values are escaped; the plots are our own SVG."""
    for mistakes in _MISTAKES:
        page = _page(findings, mistakes)
        if len(page.encode()) <= _LARGEST:
            break
    return page


def _page(findings: Findings, mistakes: int) -> str:
    page = Environment(loader=PackageLoader("nars.report", "."), autoescape=True).get_template("page.html")
    advice = findings.rounds[0].advice if findings.rounds else None
    headings: tuple[str, ...] = HEADINGS
    note = family_note(findings.metric)
    if findings.config.trains_images:
        rows = family_rows(findings.family, findings.results, findings.cards, findings.metric)
    else:
        headings, rows = own_rows(findings.family, findings.measured, findings.metric)
        note = "Predicted: at the search's stop epoch, before final training."
    repeat = to_repeat(findings)
    return page.render(
        config=findings.run["config"],
        trained_on="data" if findings.config.trains_images else "trainer",
        run=findings.run,
        summary=summary(findings),
        usage=usage(findings),
        headings=headings,
        rows=rows,
        note=note,
        facts=_facts(findings),
        doubts=findings.family.attention,
        warnings=advice.warnings if advice is not None else (),
        plots=[{"svg": Markup(plot.svg), "says": plot.says} for plot in plots(findings)],
        classes=class_views(findings, most=mistakes),
        members=findings.family.members,
        repeat=repeat,
        links={name: f"data:text/yaml;base64,{b64encode(text.encode()).decode()}" for name, text in repeat.items()},
    )


def _advice(advice: StopAdvice) -> list[tuple[str, str]]:
    """What speaks for and against the epoch at which later rounds stop."""
    within = [f"{name}: {'-' if math.isnan(value) else f'{value:.2f}'}" for name, value in advice.within_bins.items()]
    return [
        ("epochs that this saves later rounds", f"{100 * advice.saved:.0f} %"),
        ("first epoch whose 95 % interval is above the threshold, else the last", str(advice.cautious_epoch)),
        ("rank correlation there, within budgets", "; ".join(within) or "-"),
        ("final top 10 % that are the top 10 % there", f"{advice.top_kept} of {advice.top_size}"),
    ]


def _facts(findings: Findings) -> list[tuple[str, str]]:
    facts = []
    if findings.pretraining is not None:
        errors = (findings.pretraining["pretraining"] or {}).get("errors", {})
        shown = ", ".join(f"{name} {100 * error['relative']:.1f} %" for name, error in errors.items())
        facts.append(("pool", f"{findings.run['config']['pretraining']['pool']:,} Sobol pairs"))
        facts.append(("pretraining: validation error", shown or "- (no free statistics to learn)"))
    if len(findings.samples):
        counts = findings.samples["status"].value_counts()
        facts.append(("trainings", ", ".join(f"{count} {status}" for status, count in counts.items())))
        facts.append(("training time", f"{findings.samples['seconds'].sum():,.0f} core-seconds"))
    if findings.rounds:
        first = findings.rounds[0]
        epochs = findings.run["config"]["collect"]["epochs"]
        facts.append(("later rounds stop", f"after epoch {first.stop_epoch} of {epochs}"))
        facts += [] if first.advice is None else _advice(first.advice)
        taus = ", ".join(f"{result.tau:.2f}" for result in findings.rounds if result.tau is not None)
        facts.append(("Kendall tau, predicted before / measured after, per round", taus or "-"))
    for name, result in findings.results.items():
        if result.policy is not None:
            facts.append((f"augmentation of {name}, learned; likeliest", likely(read_policy(result.policy))))
    return facts + ([] if findings.latency is None else _latency(findings.latency))


def _latency(latency: DeviceLatency) -> list[tuple[str, str]]:
    """Milliseconds of the members on the user's device."""
    facts = [("latency by", latency.device)]
    for one in latency.members:
        table, measured, off = one.figures
        facts.append((f"latency of {one.name}", f"{measured} ms; {table} ms by the table ({off})"))
    return [*facts, *([("the table, on other networks", latency.agreement)] if latency.agreement else [])]
