"""Puts what the evidence campaign has trained into data/campaign/, a Parquet file for each of its stores.

Command:  python scripts/campaign_publish.py PAIRS            PAIRS as of `campaign_pairs.py`, and its experiments
Cost:     seconds
Result:   OUT/STORE/*.parquet, and what was chosen: OUT/**/*.json. Only what is new is added
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from campaign_trials import say
from nars.store import SampleStore, merge_stores

_RUN = "run"
"""Folder of the search that an experiment conducts: its trainings are in a store of the experiment too."""


def published(pairs: Path, out: Path) -> Iterator[str]:
    """A line for each store."""
    for file in sorted(pairs.rglob("*.json")):
        if _RUN not in (place := file.relative_to(pairs)).parts:
            (out / place).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, out / place)
    for folder in sorted({file.parent.relative_to(pairs) for file in pairs.rglob("*.parquet")}):
        if _RUN not in folder.parts:
            into = SampleStore(out / folder)
            merged = merge_stores([SampleStore(pairs / folder)], into)
            into.compact()
            yield f"{folder}: {merged.added} added, {len(into)} in all"


def main() -> int:
    """Returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pairs", type=Path, metavar="PAIRS")
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "data" / "campaign")
    arguments = parser.parse_args()
    if not (arguments.pairs / "design.json").is_file():
        parser.error(f"{arguments.pairs} has no design.json; start campaign_pairs.py there first")
    return say(published(arguments.pairs, arguments.out))


if __name__ == "__main__":
    sys.exit(main())
