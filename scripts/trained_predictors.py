"""Makes the predictors that ship, each from measured samples in data/; trains no network.

Command:  python scripts/trained_predictors.py            (or some of: campaign cifar10 digits fashion-mnist)
Cost:     a minute on one thread of a CPU
Result:   predictors/NAME/ (`nars search --predictor NAME`, `--warm-start NAME`); a table of them on the terminal, as
          predictors/README.md has it; the last line is one JSON object
Method:   `nars fit`. The trainings of a run end at different epochs (round 1 goes on beyond the epoch at which later
          rounds stop): what counts is the accuracy at the last epoch that all of them have.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from campaign_trials import raw_samples
from nars.space import load_space
from nars.stages import fit
from nars.store import Sample, SampleStore
from nars.trials import trials_of

_ROOT = Path(__file__).parent.parent


def whole_campaign(folder: Path) -> tuple[Sample, ...]:
    """The complete table and the random sample."""
    return tuple(one for part in ("table", "sample") for one in SampleStore(folder / part, must_exist=True).samples())


def by_raw_weights(folder: Path) -> tuple[Sample, ...]:
    """As they are judged: an average over 125 steps lags behind what it averages."""
    return raw_samples(folder / "samples")


def at_one_epoch(folder: Path) -> tuple[Sample, ...]:
    """The samples of a run's store, each with its accuracy at the last epoch that all successful ones have."""
    samples = SampleStore(folder / "samples", must_exist=True).samples()
    last = min(sample.epochs for sample in samples if sample.status == "ok")
    return tuple(
        replace(sample, value=sample.result_curve[last - 1], averaged=None, averaged_curve=())
        if sample.status == "ok"
        else sample
        for sample in samples
    )


READ: Mapping[str, Callable[[Path], Sequence[Sample]]] = {
    "campaign": whole_campaign,
    "cifar10": by_raw_weights,
    "digits": at_one_epoch,
    "fashion-mnist": at_one_epoch,
}
"""How the stores in data/NAME are read, which are of the space NAME."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help=f"of {', '.join(READ)}; all when none is named")
    parser.add_argument("--out", type=Path, default=_ROOT / "predictors")
    arguments = parser.parse_args()
    document = {}
    print("| name | candidates | trainings | tau |\n|---|---|---|---|")
    for name in arguments.names or READ:
        samples = READ[name](_ROOT / "data" / name)
        (arguments.out / name / "card.json").unlink(missing_ok=True)  # the same trials, but another predictor's code
        made = fit(trials_of(samples, load_space(name), name=f"data/{name}"), arguments.out / name)
        print(f"| `{name}` | {made.candidates} | {made.trainings} | {made.tau:.2f} |", flush=True)
        document[name] = {"candidates": made.candidates, "trainings": made.trainings, "tau": round(made.tau, 4)}
    print(json.dumps(document))
    return 0


if __name__ == "__main__":
    sys.exit(main())
