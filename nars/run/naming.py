"""Names of budgets, and what a run may be called."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import count
from math import isinf

from nars.space import Bounds, quantity, shorten

_FORBIDDEN = re.compile(r'[/\\<>:"|?*\x00-\x1f]')
"""What file systems do not allow in a name, Windows' included."""
_LONGEST = 100
"""Characters of a run's name: file systems allow 255 bytes."""


WITHOUT_LIMITS = "best"
"""Name of the member that no cost limits."""


def budget_name(budget: Bounds) -> str:
    """A budget as people write it: "550M" of FLOPs, "flops450M-latency12", "params2Mto5M", "best" without limits.

    Different budgets have different names, whatever others there are, also where case does not count.
    """
    if list(budget) == ["flops"] and not budget.limits["flops"][0]:
        return _number_name(budget.high("flops"))
    return "-".join(f"{cost}{_ends_name(low, high)}" for cost, (low, high) in budget.limits.items()) or WITHOUT_LIMITS


def _ends_name(low: float, high: float) -> str:
    if not low:
        return _number_name(high)
    return f"{_number_name(low)}up" if isinf(high) else f"{_number_name(low)}to{_number_name(high)}"


def _number_name(budget: float) -> str:
    """The shortest that reads back as the number itself."""
    short = shorten(budget)
    if quantity(short) == budget:
        return short
    for limit, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, "")):
        if budget >= limit:
            for digits in range(5, 18):
                text = f"{budget / limit:.{digits}g}{suffix}"
                if quantity(text) == budget:
                    return text
    return repr(budget)


def budget_names(budgets: Sequence[Bounds], *, taken: Iterable[str] = ()) -> list[str]:
    """A name for each of these budgets, none of which is `taken` (names that an earlier version gave were rounded)."""
    names, used = [], {name.lower() for name in taken}
    for budget in budgets:
        name = next(name for name in _variants(budget_name(budget)) if name.lower() not in used)
        used.add(name.lower())
        names.append(name)
    return names


def _variants(name: str) -> Iterator[str]:
    yield name
    yield from (f"{name}-{number}" for number in count(2))


def fault_of_name(name: str) -> str | None:
    """Why a run cannot have this name, which is the name of its folder too; None where it can."""
    told, way = "names the folder runs/NAME and must", "choose another (--out puts the folder anywhere)"
    if _FORBIDDEN.search(name):
        return f"{told} be without / and other characters that file names lack, got {name!r}; {way}"
    if not name or name != name.strip(". \t"):
        return f"{told} be a word without dots and spaces at its ends, got {name!r}; {way}"
    return f"{told} have at most {_LONGEST} characters, got {len(name)}; shorten it" if len(name) > _LONGEST else None
