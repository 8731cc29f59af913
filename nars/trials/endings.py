"""What other tools call the end of a training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, Literal

from nars.errors import DataError
from nars.store import Status

Ending = Status | Literal["unfinished"]
"""How a trial ended; one that goes on has no place in a table of finished trials."""

_KNOWN: dict[Ending, str] = {
    "ok": "ok success successful succeeded complete completed done finished finish terminated passed true 1",
    "diverged": "diverged nan inf nan_loss",
    "out_of_memory": "out_of_memory oom outofmemory outofmemoryerror cuda_out_of_memory memoryerror memory_error",
    "timeout": "timeout timed_out timedout time_out time_limit time_limit_reached",
    "error": "error errored fail failed failure crash crashed killed kill aborted abort canceled cancelled pruned "
    "stopped early_stopped earlystopped preempted interrupted exception invalid user_canceled sys_canceled false 0",
    "unfinished": "unfinished running pending waiting queued scheduled created paused inprogress in_progress started "
    "starting submitted initializing stopping",
}
_ENDINGS = {word: ending for ending, words in _KNOWN.items() for word in words.split()}


def endings(
    cells: Sequence[Any], *, path: Path, column: str, succeeded: Collection[str], failed: Collection[str]
) -> list[Ending]:
    """How each trial ended.

    Args:
        cells: (N,) statuses: of nars, Optuna, Ray Tune, Weights & Biases, Syne Tune, NNI, MLflow, or plain words.
        path: the file, for messages.
        column: their heading, for messages.
        succeeded: more statuses that count as success.
        failed: more statuses that count as failure.

    Raises:
        DataError: statuses that are not known; all of them are listed with their count.
    """
    known = dict(_ENDINGS)
    known |= dict.fromkeys(map(_word, failed), "error")
    known |= dict.fromkeys(map(_word, succeeded), "ok")
    strange = Counter(str(cell).strip() for cell in cells if _word(cell) not in known)
    if strange:
        listed = ", ".join(f"{word!r} ({count:,} rows)" for word, count in strange.most_common(20))
        first = next((word for word in strange if word), "")
        meaning = f"--ok-status {first!r} for a success, --failed-status {first!r} for a failure; " if first else ""
        meaning += "fill in the empty cells; " if "" in strange else ""
        raise DataError(
            f"{path}: the column {column!r} has statuses that nars does not know: {listed}. Say what they mean: "
            f"{meaning}--status none if the column says something else"
        )
    return [known[_word(cell)] for cell in cells]


def _word(cell: Any) -> str:
    """ "TrialState.COMPLETE" as "complete"."""
    text = str(cell).strip().casefold()
    text = text.removeprefix("trialstate.").removeprefix("status.").removeprefix("trial.")
    return text.replace(" ", "_").replace("-", "_").removesuffix(".0")
