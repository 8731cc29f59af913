"""Trains what the paper's claims need beyond table and sample; `campaign_claims.py` says what came out.

Command:  python scripts/campaign_experiments.py PAIRS --plan               hours of all of them; trains nothing
          python scripts/campaign_experiments.py PAIRS stage3 longer        some of them, one after the other
          python scripts/campaign_experiments.py PAIRS --device cuda        all of them, on a GPU
          PAIRS is the folder of `campaign_pairs.py`, whose regime everything is trained in; one of regime rehearsal
          makes every experiment as small as can be, a minute in all.
Cost:     of one core in regime d, about (--plan knows better as trainings come in):
          longer    1.0 h   the fidelity check: two pairs of each of eight FLOPs bins ten times as long
          contest   5.0 h   claim 3 for real: joint, architecture-only, TPE with ASHA, half an hour each, three seeds
          stage3    1.0 h   claim 4: four rounds of 30 of a real search, then its answers and its best, ten seeds
          teacher   1.0 h   claim 7: a teacher of 6,000 images, two pupils in eight ways, five seeds
          recipe    0.5 h   claim 6: three timm networks with the searched recipe and three usual ones, three seeds
          ranks     0.1 h   claim 9: two networks of equal cost with two recipes, five seeds
          families  2.6 h   claim 8: five kinds of networks at three budgets with three recipes and ours, three seeds
          time      1.4 h   claim 10: total times of 4, 8 and 16 minutes, two seeds
Hardware: a CPU core or a GPU; --workers N for more trainings at once
Result:   OUT/EXPERIMENT/, a Parquet file per training, each kept at once: stop with Ctrl-C at any time, start again to
          go on. OUT is PAIRS unless named. What is chosen by what the campaign has measured stays as it was first
          chosen (searched.json, pairs.json, recipes.json): begin when it is done, or delete them to choose anew.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from campaign_arms import Ground
from campaign_contest import contest
from campaign_families import families
from campaign_longer import longer
from campaign_ranks import ranks
from campaign_recipe import recipe
from campaign_stage3 import stage3
from campaign_teacher import teacher
from campaign_time import total_time
from campaign_trials import say

EXPERIMENTS: dict[str, Callable[[Ground], Iterator[str]]] = {
    "longer": longer,
    "stage3": stage3,
    "contest": contest,
    "teacher": teacher,
    "recipe": recipe,
    "ranks": ranks,
    "families": families,
    "time": total_time,
}


def conducted(ground: Ground, names: list[str]) -> Iterator[str]:
    """One experiment after the other; its hours first."""
    if not ground.plan:
        os.nice(19)
    for name in names:
        yield name
        yield from EXPERIMENTS[name](replace(ground, plan=True))
        if not ground.plan:
            yield from EXPERIMENTS[name](ground)


def main() -> int:
    """Returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pairs", type=Path, metavar="PAIRS")
    parser.add_argument("experiments", nargs="*", metavar="EXPERIMENT", help=f"of {', '.join(EXPERIMENTS)}; all")
    parser.add_argument("--out", type=Path, help="PAIRS when absent")
    parser.add_argument("--seeds", type=int, help="of each arm; each experiment has its own number")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--device", default="cpu", help="cpu (default) or cuda")
    parser.add_argument("--plan", action="store_true", help="train nothing; say how long it will take")
    arguments = parser.parse_args()
    names = arguments.experiments or list(EXPERIMENTS)
    if unknown := sorted(set(names) - set(EXPERIMENTS)):
        parser.error(f"experiments are {', '.join(EXPERIMENTS)}; got {', '.join(unknown)}")
    if not (arguments.pairs / "design.json").is_file():
        parser.error(f"{arguments.pairs} has no design.json; start campaign_pairs.py there first")
    settings = {name: getattr(arguments, name) for name in ("pairs", "seeds", "workers", "device", "plan")}
    return say(conducted(Ground(out=arguments.out or arguments.pairs, **settings), names))


if __name__ == "__main__":
    sys.exit(main())
