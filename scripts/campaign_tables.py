"""Makes the tables and figures of results/cifar10/ from the samples; trains nothing.

Command:  python scripts/campaign_tables.py                       all four
          python scripts/campaign_tables.py fidelity stop-epoch
Cost:     fidelity and stop-epoch seconds, predictor and replay some minutes each; one thread of a CPU
Result:   OUT/<table>.md, with figures (SVG) beside them
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from datetime import date
from importlib.metadata import version
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from campaign_cifar10 import cifar10
from campaign_contest import STRATEGIES, Contest, cross_validated, replayed
from campaign_trials import Campaign, Fidelity, pretrained, raw_samples
from nars.evaluate import StopAdvice, choose_stop_epoch
from nars.files.atomic import write_text
from nars.predictors import RIVALS, Audit, audit, kendall, noise_ceiling, plot_audit, spearman
from nars.predictors.calibration import Z_LEVEL
from nars.space import Bounds, Population, sobol
from nars.store import Sample, SampleStore
from nars.trials import trials_of

Floats = NDArray[np.float64]

_RESAMPLES = 2000
_ROOT = Path(__file__).parent.parent


def fidelity_table(campaign: Campaign, store: Path, out: Path) -> str:
    """How well each short training ranks the pairs, against the reference."""
    del out  # no figure
    reference = _by_pair(store, campaign.reference)
    rows, used = [], list(reference.values())
    for fidelity in (*campaign.candidates, campaign.reference):
        found = _by_pair(store, fidelity)
        pairs = sorted(found.keys() & reference.keys())
        used += [found[pair] for pair in pairs] if fidelity != campaign.reference else []
        short = np.array([found[pair].value for pair in pairs], dtype=np.float64)
        averaged = np.array([found[pair].averaged for pair in pairs], dtype=np.float64)
        long = np.array([reference[pair].value for pair in pairs], dtype=np.float64)
        seconds = float(np.mean([found[pair].seconds for pair in pairs]))
        share = seconds / np.mean([reference[pair].seconds for pair in pairs])
        rows.append(
            (
                fidelity.name,
                f"{fidelity.images:,}",
                fidelity.epochs,
                fidelity.resolution,
                fidelity.batch_size,
                len(pairs),
                f"{short.mean():.1f}",
                f"{seconds:.1f}",
                f"{share:.2f}",
                with_interval(kendall, short, long),
                with_interval(spearman, short, long),
                with_interval(kendall, averaged, long),
            )
        )
    heading = (
        "fidelity",
        "images",
        "epochs",
        "px",
        "batch",
        "pairs",
        "mean accuracy, %",
        "seconds",
        "share of the cost",
        "Kendall tau",
        "Spearman",
        "Kendall tau, averaged weights",
    )
    text = (
        f"The same random pairs, one from each FLOPs stratum in turn, trained with each fidelity and with the longer "
        f"training of the last row; rank correlation of the two final accuracies over pairs, 95 % bootstrap interval "
        f"over pairs. Chosen for the samples: **{campaign.chosen.name}**. Seconds are wall time of one training on one "
        f"thread beside other work. With so few pairs a tau of 1 says that no two were exchanged, not that none would "
        f"be; going on with more pairs sharpens the table.\n\n"
    )
    return provenance("fidelity", used) + text + markdown(heading, rows)


def stop_epoch_table(campaign: Campaign, store: Path, out: Path) -> str:
    """Rank correlation with the final accuracy against epoch (paper: stop at 0.92)."""
    samples = [
        s
        for s in SampleStore(store / "samples", must_exist=True).samples()
        if s.status == "ok" and s.seed == 0 and s.round == 0
    ]
    curves = np.array([sample.curve for sample in samples])
    flops = np.array([sample.costs["flops"] for sample in samples])
    advice = choose_stop_epoch(
        curves,
        rng=np.random.default_rng(0),
        bins={f"{low} to {low + 1} M": (flops >= low * 1e6) & (flops < (low + 1) * 1e6) for low in range(1, 6)},
    )
    rows = [
        (epoch, f"{value:.3f} ({low:.3f} to {high:.3f})")
        for epoch, (value, (low, high)) in enumerate(zip(advice.correlations, advice.intervals, strict=True), 1)
    ]
    within = ", ".join(f"{name}: {value:.3f}" for name, value in advice.within_bins.items())
    averaged = choose_stop_epoch(np.array([s.averaged_curve for s in samples]), rng=np.random.default_rng(0))
    text = (
        f"Spearman's rank correlation over {len(samples)} pairs between the validation accuracy after an epoch and "
        f"after the last, 95 % bootstrap interval over pairs.\n\n![correlation against epoch](stop-epoch.svg)\n\n"
        f"{markdown(('epoch', 'correlation'), rows)}\n"
        f"First epoch at {advice.threshold:g} or above: **{advice.epoch} of {curves.shape[1]}**, which saves "
        f"{100 * advice.saved:.0f} % of the epochs; the lower end of the interval is there at epoch "
        f"{advice.cautious_epoch}. Of the final top 10 %, {advice.top_kept} of {advice.top_size} are in the top 10 % "
        f"then. Correlation at that epoch within FLOPs strata: {within}. With the averaged weights: epoch "
        f"{averaged.epoch}. For scale: the final accuracies of one pair with two seeds correlate by "
        f"{_between_seeds(store)}; a threshold above that asks two points of one curve to agree better than two "
        f"trainings of one pair do.\n"
    )
    _stop_figure(advice, out / "stop-epoch.svg")
    return provenance("stop-epoch", samples) + text + "".join(f"\nNote: {warning}\n" for warning in advice.warnings)


def _stop_figure(advice: StopAdvice, path: Path) -> None:
    """Rank correlation with the final accuracy against epoch, with its interval."""
    figure = Figure(figsize=(6.0, 4.0), layout="constrained")
    axes = figure.subplots()
    epochs = range(1, len(advice.correlations) + 1)
    low, high = zip(*advice.intervals, strict=True)
    axes.fill_between(epochs, low, high, alpha=0.2, lw=0, label="95 % bootstrap interval")
    axes.plot(epochs, advice.correlations, "o-")
    axes.axhline(advice.threshold, color="grey", ls="--", lw=0.8, label=f"threshold {advice.threshold:g}")
    axes.set(xlabel="epoch", ylabel="Spearman's correlation with the final accuracy", xticks=list(epochs))
    axes.legend(loc="lower right")
    figure.savefig(path, metadata={"Date": None})


def _between_seeds(store: Path) -> str:
    """Spearman's correlation of the final accuracies of pairs with seed 0 and with seed 1, with its interval."""
    by_seed: dict[int, dict[tuple[int, ...], Sample]] = {0: {}, 1: {}}
    for sample in SampleStore(store / "samples").samples():
        if sample.status == "ok" and sample.seed in by_seed:
            by_seed[sample.seed][sample.choices] = sample
    pairs = sorted(by_seed[0].keys() & by_seed[1].keys())
    first, second = (np.array([by_seed[seed][pair].value for pair in pairs], dtype=np.float64) for seed in (0, 1))
    return f"{with_interval(spearman, first, second)} over {len(pairs)} pairs"


def predictor_table(campaign: Campaign, store: Path, out: Path) -> str:
    """What `nars audit` says: the predictor, its variants and rivals against the number of samples."""
    samples = raw_samples(store / "samples")
    trials = trials_of(samples, campaign.space)
    result = audit(trials.space, trials.X, trials.values, seed=0, splits=5, pool=_pool(campaign))
    plot_audit(result, out / "predictor.svg")
    efficiency = (
        "The pretrained predictor never reaches the best tau of the one without pretraining"
        if result.efficiency is None
        else f"Samples that the one without pretraining needs for its best tau, over those that the pretrained one "
        f"needs for the same: **{result.efficiency:.1f}** (paper: 5)"
    )
    ceiling = (
        ""
        if result.ceiling is None or result.of_ceiling is None
        else f" Noise between two trainings of a pair: {result.ceiling.noise:.2f} %; the labels allow a tau of "
        f"{result.ceiling.tau:.3f}, of which the pretrained predictor has {100 * result.of_ceiling:.0f} %; "
        f"{result.ceiling.ties} pairs are statistical ties with the best measured."
    )
    tables = "\n".join(
        f"{title}, mean and standard error over splits, by number of samples:\n\n{_by_size(result, name, digits)}"
        for title, name, digits in (
            ("Kendall's tau", "tau", 3),
            ("Kendall's tau within quintiles of FLOPs", "within", 3),
            ("Mean absolute error, percent", "mae", 2),
        )
    )
    targets = ", ".join(f"{t.name} {t.correlation:+.2f}" for t in result.targets)
    text = (
        f"{result.candidates} pairs, {result.splits} random splits: fitted on so many samples, tested on all others."
        f"\n\n{efficiency}.{ceiling} Spearman correlation of the free statistics "
        f"with the accuracy: {targets}.{_ahead(campaign, samples)}\n\n![tau against samples](predictor.svg)\n\n{tables}"
    )
    return provenance("predictor", samples) + text


def _ahead(campaign: Campaign, samples: Sequence[Sample]) -> str:
    """How well the predictor tells pairs that were measured after those that it is fitted on."""
    space, trials = campaign.space, trials_of(samples, campaign.space)
    number = {tuple(row): at for at, row in enumerate(campaign.pairs().tolist())}
    order = np.argsort([number[tuple(row)] for row in trials.X.tolist()])
    first, later = np.split(order, [len(order) * 3 // 5])
    encoding = space.encode(trials.X)
    told = pretrained(space).fit(encoding[first], trials.mean[first], seed=0).predict(encoding[later])
    accuracy = trials.values[later, 0]
    error = np.abs(told.mean - accuracy)
    inside = 100 * np.mean(error <= Z_LEVEL * told.std)
    return (
        f"\n\n**Ahead of the measurements:** fitted on the first {len(first)} pairs, the predictor tells the "
        f"{len(later)} that were measured after them with Kendall's tau {with_interval(kendall, told.mean, accuracy)}, "
        f"mean absolute error {error.mean():.2f} %, {inside:.0f} % inside its 80 % intervals. The shipped one is "
        f"fitted on all."
    )


def _by_size(result: Audit, name: str, digits: int) -> str:
    """One figure of all models, best first at the most samples, a column for each number of samples."""
    sizes = sorted({row.n for row in result.rows})
    cells = {(row.model, row.n): (getattr(row.mean, name), getattr(row.error, name)) for row in result.rows}
    sign = 1 if name == "mae" else -1
    models = sorted({row.model for row in result.rows}, key=lambda model: sign * cells[model, sizes[-1]][0])
    rows = [
        (model, *(f"{mean:.{digits}f} ± {error:.{digits}f}" for mean, error in (cells[model, n] for n in sizes)))
        for model in models
    ]
    return markdown(("model", *map(str, sizes)), rows)


def replay_table(campaign: Campaign, store: Path, out: Path, *, trainings: int = 100, repeats: int = 5) -> str:
    """The strategies on a surrogate of the samples: nothing is trained, and the text says so."""
    del out  # no figure
    samples = raw_samples(store / "samples")
    trials = trials_of(samples, campaign.space)
    encoding, ceiling = campaign.space.encode(trials.X), noise_ceiling(trials.values)
    taus = {name: cross_validated(rival, encoding, trials.mean) for name, rival in RIVALS.items()}
    chosen = max(taus, key=taus.__getitem__)
    surrogate = RIVALS[chosen].fit(encoding, trials.mean, seed=0)
    noise = 0.0 if ceiling is None else ceiling.noise
    contest = Contest(space=campaign.space, bounds=Bounds({"flops": (1e6, 6e6)}))
    checkpoints = [count for count in (20, 50, 100) if count <= trainings]
    rows = []
    for name, strategy in STRATEGIES.items():
        found = np.array(
            [replayed(contest, strategy, surrogate, noise=noise, trainings=trainings, seed=r) for r in range(repeats)]
        )
        ends = [found[:, count - 1] for count in checkpoints]
        rows.append((name, *(f"{end.mean():.2f} ± {end.std(ddof=1):.2f}" for end in ends)))
    text = (
        f"**A replay, nothing was trained for it.** The measured rows share no architectures or recipes, so a strategy "
        f"that fixes or mutates part of a pair cannot be replayed on the rows themselves. Every strategy asks a "
        f"surrogate instead: {chosen} on the encoding, fitted on all {len(trials.X)} pairs (the rival of another kind "
        f"than the predictor with the best five-fold cross-validated Kendall tau, {taus[chosen]:.3f}); each answer "
        f"gets the measured noise between seeds, {noise:.2f} %. Shown: what the surrogate tells, without noise, of the "
        f"pair that looked best after so many trainings; mean and standard deviation over {repeats} repeats, all "
        f"inside 1 to 6 M multiply-accumulates. Differences below the surrogate's own error mean nothing, and "
        f"trees hardly tell more than the best they were fitted on.\n\n"
    )
    return provenance("replay", samples) + text + markdown(("strategy", *map(str, checkpoints)), rows)


def _pool(campaign: Campaign) -> Population:
    return sobol(campaign.space, 4096, seed=0, bounds=Bounds({"flops": (1e6, 6e6)}))


def _by_pair(store: Path, fidelity: Fidelity) -> dict[tuple[int, ...], Sample]:
    """Successful trainings of one fidelity, one for each pair."""
    samples = SampleStore(store / "fidelity" / fidelity.name).samples()
    return {sample.choices: sample for sample in samples if sample.status == "ok"}


def with_interval(statistic: Callable[[Floats, Floats], float], a: Floats, b: Floats) -> str:
    """A statistic of pairs, (n,) each, with its 95 % bootstrap interval over pairs: 0.81 (0.70 to 0.90)."""
    rng = np.random.default_rng(0)
    drawn = rng.integers(len(a), size=(_RESAMPLES, len(a)))
    values = [statistic(a[rows], b[rows]) for rows in drawn if len(np.unique(rows)) > 2]
    low, high = np.nanquantile(values, (0.025, 0.975))
    return f"{statistic(a, b):.2f} ({low:.2f} to {high:.2f})"


def markdown(heading: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table."""
    lines = [heading, ["---"] * len(heading), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines) + "\n"


def provenance(table: str, samples: Sequence[Sample], *, command: str | None = None) -> str:
    """Title and where the numbers come from: the command, the machine, versions, dates and seeds."""
    command = command or f"campaign_tables.py {table}"
    hosts = ", ".join(sorted({sample.host for sample in samples}))
    versions = ", ".join(sorted({f"{name} {number}" for s in samples for name, number in s.versions.items()}))
    seeds = sorted({sample.seed for sample in samples})
    days = sorted({sample.finished[:10] for sample in samples})
    return (
        f"# {table}\n\nMade by `python scripts/{command}` on {date.today()} from {len(samples)} trainings of "
        f"{' to '.join(dict.fromkeys((days[0], days[-1])))}: {hosts}, one thread each, {versions}, training seeds "
        f"{', '.join(map(str, seeds))}; CIFAR-10 subsets and pairs with seed 0. Tables: numpy {version('numpy')}.\n\n"
    )


TABLES = {
    "fidelity": fidelity_table,
    "stop-epoch": stop_epoch_table,
    "predictor": predictor_table,
    "replay": replay_table,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="*", help=f"of {', '.join(TABLES)}; all when none is named")
    parser.add_argument("--store", type=Path, default=_ROOT / "data" / "cifar10")
    parser.add_argument("--out", type=Path, default=_ROOT / "results" / "cifar10")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name in arguments.tables or TABLES:
        write_text(arguments.out / f"{name}.md", TABLES[name](cifar10(), arguments.store, arguments.out))
        print(arguments.out / f"{name}.md")
    return 0


if __name__ == "__main__":
    sys.exit(main())
