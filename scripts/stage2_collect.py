"""Stage 2: rounds of real, early-stopped training; each outcome fine-tunes the predictor.

Command:  python scripts/stage2_collect.py digits --out runs/mine        (after stage1_pretrain.py)
Cost:     about a minute and a half for digits on 2 CPU cores
Result:   runs/mine/samples/ (Parquet), runs/mine/rounds/, runs/mine/predictor/
Source:   FBNetV3 (arXiv 2006.02049), section 3.3, constrained iterative optimisation
"""

from __future__ import annotations

from command_line import opened_run
from nars.stages import Collection, collect, engine_of, pretrain, sample_pool


def main() -> None:
    run = opened_run(__doc__)
    if run.config.collect.asynchronous:  # rounds that do not wait for their end: nars/stages/asynchronous.py
        collect(run)
        return
    collection = Collection.start(run, pool=sample_pool(run), predictor=pretrain(run))
    with engine_of(run) as engine:
        while not collection.finished:
            candidates = collection.propose()  # one per FLOPs bin: the best predicted
            samples = collection.evaluate(candidates, engine)  # real training; the first round in full
            collection = collection.learn(candidates, samples)  # stop epoch, Huber fine-tuning, smaller pool
    collection.save()


if __name__ == "__main__":
    main()
