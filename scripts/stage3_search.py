"""Stage 3: the predictor alone answers each budget, on the CPU.

Command:  python scripts/stage3_search.py digits --out runs/mine        (after stage2_collect.py)
Cost:     seconds
Result:   runs/mine/family/family.json
Source:   FBNetV3 (arXiv 2006.02049), section 3.3, predictor-based evolutionary search
"""

from __future__ import annotations

from command_line import opened_run
from nars.space import cost_unit, shorten
from nars.stages import load_family, load_fitted, needed, search


def main() -> None:
    run = opened_run(__doc__)
    family = load_family(run) or search(run, needed(run, "search", load_fitted(run)))
    for member in family.members:
        costs = "".join(f"{shorten(member.costs[cost])} {cost_unit(cost)}, " for cost in list(member.costs)[:1])
        predicted = run.metric.spell(member.predicted, member.predicted_std)
        print(f"{member.name}: {costs}predicted {predicted}, {member.seconds:.1f} s")


if __name__ == "__main__":
    main()
