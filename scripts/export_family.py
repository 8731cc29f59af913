"""Export: each member as a folder with weights, ONNX, torch.export program, standalone Python file, recipe and card.

Command:  python scripts/export_family.py digits --out runs/mine        (after train_family.py)
Cost:     seconds per member
Result:   runs/mine/family/BUDGET/, each form within 1e-4 of PyTorch
"""

from __future__ import annotations

from command_line import opened_run
from nars.stages import export, load_family, load_trained, needed


def main() -> None:
    run = opened_run(__doc__)
    trained = load_trained(run, needed(run, "export", load_family(run)))
    exported = export(run, needed(run, "export", trained))
    for name, card in exported.cards.items():
        print(f"{name}: {card.name}, largest difference {max(card.max_difference.values()):.1e}")


if __name__ == "__main__":
    main()
