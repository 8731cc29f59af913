"""Makes the shipped predictor and the family of the CIFAR-10 campaign from its samples; trains no network.

Command:  python scripts/campaign_predictor.py
Cost:     about two minutes on one thread of a CPU
Result:   predictors/cifar10/ (`nars search --predictor cifar10 --max-flops 3M` finds it), results/cifar10/family/
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from campaign_cifar10 import cifar10
from campaign_tables import markdown, provenance
from campaign_trials import pretrained, raw_samples
from nars.files.atomic import write_json, write_text
from nars.predictors import Predictor, kendall
from nars.search import search_family
from nars.space import shorten
from nars.stages import scorer, write_predictor
from nars.trials import trials_of

_ROOT = Path(__file__).parent.parent
_FOLDS = 5


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", type=Path, default=_ROOT / "data" / "cifar10")
    parser.add_argument("--out", type=Path, default=_ROOT)
    arguments = parser.parse_args()
    campaign = cifar10()
    space = campaign.space
    samples = raw_samples(arguments.store / "samples")
    trials = trials_of(samples, space)
    encoding, accuracy = space.encode(trials.X), trials.mean
    stage1 = pretrained(space)
    predictor = stage1.fit(encoding, accuracy, seed=0)
    write_predictor(
        arguments.out / "predictors" / "cifar10",
        predictor,
        space=space,
        data=samples[0].data,
        quality={"tau": cross_validated(stage1, encoding, accuracy)},
    )
    rng = np.random.default_rng(0)
    best = trials.X[np.argsort(-accuracy, kind="stable")[:50]]
    family = search_family(space, scorer(space, predictor), campaign.strata, rng=rng, seed_population=best)
    predicted = predictor.predict(space.encode(family.rows))
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
    title = provenance("family", samples, command="campaign_predictor.py")
    write_text(folder / "README.md", title + text + markdown(heading, rows))
    print(folder / "README.md")
    return 0


def cross_validated(stage1: Predictor, encoding: NDArray[np.float32], accuracy: NDArray[np.float64]) -> float:
    """Kendall's tau on pairs not fitted on, mean over five folds."""
    parts = np.array_split(np.random.default_rng(0).permutation(len(accuracy)), _FOLDS)
    taus = []
    for part in parts:
        rest = np.setdiff1d(np.arange(len(accuracy)), part)
        predicted = stage1.fit(encoding[rest], accuracy[rest], seed=0).predict_mean(encoding[part])
        taus.append(kendall(predicted, accuracy[part]))
    return float(np.mean(taus))


def _recipe(record: dict[str, object]) -> str:
    return ", ".join(f"{k.removeprefix('recipe.')} {v}" for k, v in record.items() if k.startswith("recipe."))


if __name__ == "__main__":
    sys.exit(main())
