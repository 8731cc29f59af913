"""Stage 1: a Sobol pool labelled with free statistics pretrains the predictor's encoder.

Command:  python scripts/stage1_pretrain.py digits --out runs/mine
Cost:     seconds on a CPU
Result:   runs/mine/pool.parquet and runs/mine/encoder/
Source:   FBNetV3 (arXiv 2006.02049), section 3.3, predictor pretraining
"""

from __future__ import annotations

from command_line import opened_run
from nars.stages import load_pool, load_pretrained, pretrain, sample_pool


def main() -> None:
    run = opened_run(__doc__)
    pool = load_pool(run) or sample_pool(run)
    predictor = load_pretrained(run) or pretrain(run, pool)
    if predictor.pretraining is not None:
        for name, error in predictor.pretraining.errors.items():
            print(f"{name}: {100 * error.relative:.2f} % mean error on {len(pool.X) // 5:,} held out")


if __name__ == "__main__":
    main()
