"""Makes the family of the CIFAR-10 campaign from the shipped predictor; trains no network.

Needs:    predictors/cifar10 (`trained_predictors.py`)
Command:  python scripts/campaign_family.py
Cost:     seconds on one thread of a CPU
Result:   results/cifar10/family/, which `campaign_final.py` trains
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from campaign_cifar10 import cifar10
from campaign_tables import markdown, provenance
from campaign_trials import raw_samples
from nars.files.atomic import write_json, write_text
from nars.search import search_family
from nars.space import shorten
from nars.stages import open_predictor, scorer
from nars.trials import trials_of

_ROOT = Path(__file__).parent.parent


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", type=Path, default=_ROOT / "data" / "cifar10")
    parser.add_argument("--out", type=Path, default=_ROOT)
    arguments = parser.parse_args()
    campaign = cifar10()
    samples = raw_samples(arguments.store / "samples")
    trials = trials_of(samples, campaign.space)
    space, predictor = open_predictor(arguments.out / "predictors" / "cifar10")
    rng = np.random.default_rng(0)
    best = trials.X[np.argsort(-trials.mean, kind="stable")[:50]]
    family = search_family(space, scorer(space, predictor), campaign.strata, rng=rng, seed_population=best)
    predicted = predictor.predict(predictor.inputs(space, family.rows))
    members = [
        {
            "budget": shorten(bounds.limits["flops"][1]),
            "predicted": float(mean),
            "predicted_std": float(std),
            "costs": result.costs,
            "choices": result.row.tolist(),
            "record": record,
        }
        for bounds, result, mean, std, record in zip(
            campaign.strata, family.members, predicted.mean, predicted.std, space.to_records(family.rows), strict=True
        )
    ]
    folder = arguments.out / "results" / "cifar10" / "family"
    write_json(folder / "family.json", {"space": space.fingerprint, "data": samples[0].data, "members": members})
    rows = [
        (
            m["budget"],
            shorten(m["costs"]["flops"]),
            shorten(m["costs"]["params"]),
            f"{m['predicted']:.1f} ± {m['predicted_std']:.1f}",
            _recipe(m["record"]),
        )
        for m in members
    ]
    text = (
        "The answer of stage 3 to each budget, with the shipped predictor. A budget is a range here, from 1 M "
        "multiply-accumulates below: in trainings as short as those of the samples small networks are ahead, and "
        "with an upper limit alone the larger budgets would get the same small network. Predicted: validation "
        "accuracy after such a training, percent; the members trained to the end are in `../final.md`. Every setting "
        "is in `family.json`.\n\n"
    )
    heading = ("budget", "FLOPs", "params", "predicted", "recipe")
    title = provenance("family", samples, command="campaign_family.py")
    write_text(folder / "README.md", title + text + markdown(heading, rows))
    print(folder / "README.md")
    return 0


def _recipe(record: dict[str, object]) -> str:
    return ", ".join(f"{k.removeprefix('recipe.')} {v}" for k, v in record.items() if k.startswith("recipe."))


if __name__ == "__main__":
    sys.exit(main())
