"""Final training: the largest member on labels, then all by distillation (0.8 / 0.2) with EMA.

Command:  python scripts/train_family.py digits --out runs/mine        (after stage3_search.py)
Cost:     about a minute for digits on 2 CPU cores; killed at any moment, the same command goes on
Result:   runs/mine/training/BUDGET/ with weights and result
Source:   FBNetV3 (arXiv 2006.02049), section 4.3 and appendix A.5
"""

from __future__ import annotations

from command_line import opened_run
from nars.stages import load_family, needed, train


def main() -> None:
    run = opened_run(__doc__)
    trained = train(run, needed(run, "train", load_family(run)))
    for name, result in trained.results.items():
        print(f"{name}: validation {result.validation_accuracy:.2f} %, test {result.test_accuracy:.2f} %")


if __name__ == "__main__":
    main()
