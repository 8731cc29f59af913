"""Stage 2: rounds of real, early-stopped training; each outcome fine-tunes the predictor.

Command:  python scripts/stage2_collect.py digits --out runs/mine        (after stage1_pretrain.py)
Cost:     about a minute and a half for digits on 2 CPU cores
Result:   runs/mine/samples/ (Parquet), runs/mine/rounds/, runs/mine/predictor/
Source:   FBNetV3 (arXiv 2006.02049), section 3.3, constrained iterative optimisation
"""

from __future__ import annotations

from command_line import opened_run
from nars.stages import engine_of, keep_fitted, load_pool, load_pretrained, needed, rounds_of, sample_pool


def main() -> None:
    run = opened_run(__doc__)
    pool = load_pool(run) or sample_pool(run)
    rounds = rounds_of(run, pool, needed(run, "collect", load_pretrained(run)))
    with engine_of(run) as engine:
        while not rounds.finished:
            engine.run(iter(rounds.ask, None), on_result=rounds.tell)  # ask, train, tell
    keep_fitted(run, rounds)


if __name__ == "__main__":
    main()
