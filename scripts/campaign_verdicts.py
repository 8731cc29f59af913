"""What came out of `campaign_experiments.py`: effect, interval, verdict, what the experiment could have seen."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import t

from campaign_arms import accuracy_of, outcomes, samples_in
from campaign_teacher import PAPERS
from nars.predictors import kendall

Claim = dict[str, Any]
Arms = Mapping[tuple[Any, ...], Mapping[int, float]]
"""{labels: {seed: accuracy in percent}}"""

_POWER = 0.8
"""Of `smallest`: how often an effect of that size would be seen."""

_AHEAD = 3.0
"""Percent that a teacher must know more than its pupils, or it was no test."""


class MissingError(KeyError):
    """An experiment is not there yet, or not whole."""


@dataclass(frozen=True)
class Noise:
    """Of one training: what seeds differ by, over all arms of an experiment."""

    deviation: float
    """Percent."""
    freedom: int

    @staticmethod
    def of(arms: Arms) -> Noise:
        """Pooled over the arms, as each has few seeds.

        Raises:
            MissingError: no arm has two.
        """
        groups = [np.array(list(some.values())) for some in arms.values() if len(some) > 1]
        freedom = sum(len(group) - 1 for group in groups)
        if freedom == 0:
            raise MissingError("no two seeds of anything")
        return Noise(float(np.sqrt(sum(((g - g.mean()) ** 2).sum() for g in groups) / freedom)), freedom)

    def half(self, *weighted: tuple[float, Mapping[int, float]]) -> float:
        """Half of the 95 % interval of a sum of weighted means of arms."""
        return float(t.ppf(0.975, self.freedom)) * self._error(*weighted)

    def smallest(self, *weighted: tuple[float, Mapping[int, float]]) -> float:
        """The effect that such a sum would have shown to be none by chance, four times of five."""
        return float(t.ppf(0.975, self.freedom) + t.ppf(_POWER, self.freedom)) * self._error(*weighted)

    def _error(self, *weighted: tuple[float, Mapping[int, float]]) -> float:
        return self.deviation * float(np.sqrt(sum(weight**2 / len(arm) for weight, arm in weighted)))


def _mean(arm: Mapping[int, float]) -> float:
    return float(np.mean(list(arm.values())))


def _difference(label: str, noise: Noise, better: Mapping[int, float], worse: Mapping[int, float]) -> list[Any]:
    """A row of a claim's figure: what it is, difference, its interval."""
    effect, half = _mean(better) - _mean(worse), noise.half((1, better), (-1, worse))
    return [label, *(round(value, 2) for value in (effect, effect - half, effect + half))]


def _claim(noise: Noise, pairs: Sequence[tuple[Mapping[int, float], Mapping[int, float]]], change: str) -> Claim:
    """The mean difference over pairs of arms (better, worse), an arm in several pairs counted as what it is."""
    weights: dict[int, float] = {}
    arms = {id(arm): arm for pair in pairs for arm in pair}
    for better, worse in pairs:
        weights[id(better)] = weights.get(id(better), 0.0) + 1 / len(pairs)
        weights[id(worse)] = weights.get(id(worse), 0.0) - 1 / len(pairs)
    weighted = [(weight, arms[number]) for number, weight in weights.items()]
    effect = float(np.mean([_mean(better) - _mean(worse) for better, worse in pairs]))
    half = noise.half(*weighted)
    return {
        "effect": round(effect, 2),
        "interval": [round(effect - half, 2), round(effect + half, 2)],
        "verdict": "holds" if effect > half else "does not hold" if effect < -half else "not seen",
        "smallest": round(noise.smallest(*weighted), 2),
        "noise": round(noise.deviation, 2),
        "would_change": change,
    }


def _whole(arms: Arms, key: tuple[Any, ...]) -> Mapping[int, float]:
    if key not in arms:
        raise MissingError(str(key))
    return arms[key]


def _distinct(arms: Arms, place: int) -> list[Any]:
    return list(dict.fromkeys(key[place] for key in arms))


def contest_lead(folder: Path) -> Claim:
    """3, for real: what the joint search has found less what the better of the others has; a search is one value."""
    found: dict[tuple[Any, ...], dict[int, float]] = {}
    for (way, search), arm in outcomes(folder / "contest" / "samples", "way", "search").items():
        found.setdefault((way,), {})[int(str(search))] = _mean(arm)
    noise, joint = Noise.of(found), _whole(found, ("joint",))
    others = {way: _whole(found, (way,)) for way in ("architecture-only", "tpe-asha")}
    claim = _claim(noise, [(joint, max(others.values(), key=_mean))], "longer searches, more seeds")
    return claim | {"rows": [_difference(f"joint less {way}", noise, joint, arm) for way, arm in others.items()]}


def stage3_gain(folder: Path) -> Claim:
    """4: the searched answer less the best that stage 2 has trained, with no more FLOPs; fresh seeds, test images."""
    arms = outcomes(folder / "stage3" / "samples", "budget", "stage")
    noise, budgets = Noise.of(arms), sorted(_distinct(arms, 0), key=_number)
    both = {budget: tuple(_whole(arms, (budget, stage)) for stage in ("3", "2")) for budget in budgets}
    pairs = [(third, second) for third, second in both.values()]
    found = _claim(noise, pairs, "more rounds leave stage 3 less to find, more seeds show a smaller gain")
    rows = [_difference(budget, noise, *pair) for budget, pair in zip(both, pairs, strict=True)]
    return found | {"rows": rows}


def recipe_gain(folder: Path) -> Claim:
    """6: the searched recipe less the best of the usual ones, mean over networks."""
    arms = outcomes(folder / "recipe" / "samples", "model", "by")
    noise = Noise.of(arms)
    usual = sorted(by for by in _distinct(arms, 1) if by != "searched")
    pairs, rows = [], []
    for name in sorted(_distinct(arms, 0)):
        searched = _whole(arms, (name, "searched"))
        best = max(usual, key=lambda by: _mean(_whole(arms, (name, by))))
        pairs.append((searched, arms[name, best]))
        rows += [_difference(f"{name}, less {by}", noise, searched, arms[name, by]) for by in usual]
    found = _claim(noise, pairs, "networks of other kinds, longer trainings; the best of three is chosen by the result")
    return found | {"rows": rows}


def teaching_gain(folder: Path) -> Claim:
    """7: the paper's way (averaged weights, teacher) less labels alone, mean over pupils."""
    arms = outcomes(folder / "teacher" / "samples", "pupil", "weight", "temperature", "decay")
    noise = Noise.of(arms)
    papers = (PAPERS.weight, PAPERS.temperature, PAPERS.decay)
    pupils = _distinct(arms, 0)
    alone = {name: _whole(arms, (name, 0.0, 0.0, 0.0)) for name in pupils}
    found = _claim(
        noise,
        [(_whole(arms, (name, *papers)), alone[name]) for name in pupils],
        "longer trainings, a teacher of other data",
    )
    teacher = [accuracy_of(sample) for sample in samples_in(folder / "teacher" / "teacher")]
    ahead = min(float(np.mean(teacher)) - _mean(arm) for arm in alone.values()) if teacher else 0.0
    if ahead < _AHEAD:
        found["verdict"] = f"not tested: the teacher is {ahead:.1f} % ahead only"
    rows = []
    for (name, weight, temperature, decay), arm in sorted(arms.items()):
        if weight or decay:
            taught = f"teacher {weight:g} at T = {temperature:g}" if weight else ""
            said = " and ".join(filter(None, [taught, f"average {decay:g}" if decay else ""]))
            rows.append(_difference(f"{name}: {said}", noise, arm, alone[name]))
    return found | {"teacher_ahead": round(ahead, 2), "rows": rows}


def family_lead(folder: Path) -> Claim:
    """8: our member with its recipe less the best network of people with its best recipe, mean over budgets."""
    arms = outcomes(folder / "families" / "samples", "model", "budget", "by")
    noise = Noise.of(arms)
    pairs, rows, won, lost, of = [], [], 0, 0, 0
    for budget in sorted(_distinct(arms, 1), key=_number):
        ours = _whole(arms, ("ours", budget, "searched"))
        theirs = {key: arm for key, arm in arms.items() if key[1] == budget and key[0] != "ours"}
        if not theirs:
            raise MissingError(budget)
        pairs.append((ours, max(theirs.values(), key=_mean)))
        for name in dict.fromkeys(key[0] for key in theirs):
            best = max((key for key in theirs if key[0] == name), key=lambda key: _mean(arms[key]))
            rows.append(_difference(f"{budget}: {name}, {best[2]} recipe", noise, ours, arms[best]))
            won, lost, of = won + (rows[-1][2] > 0), lost + (rows[-1][3] < 0), of + 1
    found = _claim(noise, pairs, "more shapes and recipes for the others, larger budgets, more images")
    return found | {"won": won, "lost": lost, "of": of, "rows": rows}


def rank_change(folder: Path) -> Claim:
    """9: by how much each of two networks of equal FLOPs is ahead with the recipe that is better for it."""
    arms = outcomes(folder / "ranks" / "samples", "model", "by")
    noise = Noise.of(arms)
    one, other = ((_whole(arms, (mine, mine)), _whole(arms, (theirs, mine))) for mine, theirs in ("12", "21"))
    rows = [
        _difference("network 1, with recipe 1", noise, *one),
        _difference("network 2, with recipe 2", noise, *other),
    ]
    smaller = min((one, other), key=lambda pair: _mean(pair[0]) - _mean(pair[1]))
    return _claim(noise, [smaller], "other networks; the smaller of both leads is the effect") | {"rows": rows}


def searching_pays(folder: Path) -> Claim:
    """10: search and final training less a usual pair trained for the whole time, mean over total times."""
    arms: dict[tuple[Any, ...], Mapping[int, float]] = {}
    for part in sorted((folder / "time").glob("*-minutes")):
        for key, seeds in outcomes(part, "minutes", "way").items():
            arms[key] = seeds
    noise = Noise.of(arms)
    times = sorted(_distinct(arms, 0))
    pairs = [(_whole(arms, (at, "search")), _whole(arms, (at, "no search"))) for at in times]
    rows = [_difference(f"{at:g} minutes", noise, *pair) for at, pair in zip(times, pairs, strict=True)]
    pays = [at for number, at in enumerate(times) if all(row[2] > 0 for row in rows[number:])]
    found = _claim(noise, pairs, "longer times, more images: a thousand are learned by heart; another default")
    return found | {"pays_from_minutes": pays[0] if pays else None, "rows": rows}


def fidelity(folder: Path) -> Claim:
    """How well the regime ranks: Kendall's tau of a training and one that is ten times as long, of all chosen pairs."""
    samples = [sample for sample in samples_in(folder / "longer" / "samples") if sample.result is not None]
    chosen = folder / "longer" / "pairs.json"
    if not chosen.is_file() or len(samples) < len(json.loads(chosen.read_text(encoding="utf-8"))):
        raise MissingError("longer")  # the first are the smallest
    short, long = (
        np.array([float(str(value)) for value in values])
        for values in ([s.record["short"] for s in samples], [s.result for s in samples])
    )
    rng = np.random.default_rng(0)
    drawn = [rng.integers(len(short), size=len(short)) for _ in range(2000)]
    taus = np.array([kendall(short[rows], long[rows]) for rows in drawn if len(np.unique(rows)) > 2])
    low, high = np.nanquantile(taus, (0.025, 0.975))
    tau = float(kendall(short, long))
    return {
        "effect": round(tau, 2),
        "interval": [round(float(low), 2), round(float(high), 2)],
        "verdict": "holds" if tau >= 0.8 else "does not hold" if high < 0.8 else "not seen",
        "smallest": round(1.96 * float(np.nanstd(taus)), 2),
        "would_change": "more pairs; a tau among the best pairs alone is lower, as they differ by less",
        "points": np.stack([short, long], axis=1).round(2).tolist(),
    }


EXPERIMENTS: Mapping[Hashable, Callable[[Path], Claim]] = {
    4: stage3_gain,
    6: recipe_gain,
    7: teaching_gain,
    8: family_lead,
    9: rank_change,
    10: searching_pays,
    "contest": contest_lead,
    "fidelity": fidelity,
}
"""By the paper's claim; claim 3 with real trainings, and the check of the regime."""


def _number(budget: str) -> float:
    return float(budget.rstrip("kM")) * (1e3 if budget.endswith("k") else 1e6)
