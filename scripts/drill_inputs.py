"""Does what people bring ever give a wrong result without a word, a traceback, or an error that does not help?

Command:  python scripts/drill_inputs.py           (--kinds images,tables --only NAME --keep FOLDER)
Cost:     about 8 minutes on one CPU core
Expected: silent_wrong 0, tracebacks 0, unclear 0
Method:   each case writes files as people have them (image folders, tables of trials, spaces, run configurations), runs
          one command of nars on them in a process of its own, and compares what came of it with what its construction
          says: the pixels that were written, the rows of the table, the numbers in the file. An error must have exit
          code 2 and name the file or key, what it got, and what to do.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table

import nars.studies.training_other  # noqa: F401  # loaded here once, so that no case waits for it
from drill_case import Case, judge
from drill_configurations import configuration_cases
from drill_images import image_cases
from drill_spaces import space_cases
from drill_tables import table_cases

KINDS: dict[str, Callable[[], list[Case]]] = {
    "images": image_cases,
    "tables": table_cases,
    "spaces": space_cases,
    "configurations": configuration_cases,
}
VERDICTS = ("right", "silent_wrong", "traceback", "unclear", "refused", "hang")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kinds", default=",".join(KINDS), help="which kinds of input, with commas")
    parser.add_argument("--only", default="", help="only cases with this in their name")
    parser.add_argument("--keep", type=Path, help="folder to keep files and outputs of the cases in")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    kinds = arguments.kinds.split(",")
    cases = [(kind, case) for kind in kinds for case in KINDS[kind]() if arguments.only in case.name]
    counts: dict[str, Counter[str]] = {kind: Counter() for kind in kinds}
    console = Console()
    with tempfile.TemporaryDirectory() as scratch:
        root = arguments.keep or Path(scratch)
        for number, (kind, case) in enumerate(track(cases, description="cases", console=Console(stderr=True))):
            folder = root / f"{number:03d}"
            folder.mkdir(parents=True)
            verdict, why = judge(case, folder)
            counts[kind][verdict] += 1
            if verdict != "right":
                console.print(f"{verdict}: {kind}: {case.name}: {why}", markup=False, soft_wrap=True)
    table = Table("kind", "cases", *(verdict.replace("_", " ") for verdict in VERDICTS))
    for kind in kinds:
        table.add_row(kind, str(counts[kind].total()), *(str(counts[kind][verdict]) for verdict in VERDICTS))
    console.print(table)
    total = Counter(verdict for count in counts.values() for verdict in count.elements())
    print(
        json.dumps(
            {
                "cases": total.total(),
                "silent_wrong": total["silent_wrong"],
                "tracebacks": total["traceback"],
                "unclear": total["unclear"],
                "refused": total["refused"],
                "hangs": total["hang"],
            }
        )
    )


if __name__ == "__main__":
    main()
