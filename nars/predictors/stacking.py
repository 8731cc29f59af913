"""How the parts of the default predictor are fitted and weighed: the ensemble, and processes on what it reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from nars.arrays import Floats, Floats32
from nars.predictors.calibration import shares_of
from nars.predictors.fit import Fit, Read, weighted
from nars.predictors.gaussian import LeftOut, fit_process
from nars.predictors.process import ENCODING_SCALE, Process

_PRIOR_ENSEMBLE, _PRIOR_FIRST, _PRIOR_SOURCE = 1.0, 2.0, 4.0
"""Of the shares: the ensemble's, the first process's, which reads the statistics if there are any, and that of all
sources together; others have 1."""


def stack(
    fitted: Fit, read: Read, target: Floats, relative: Floats32, blind: Floats, choices: Sequence[int], *, seed: int
) -> tuple[Fit, Floats, Floats]:
    """The fit with processes beside its ensemble, each with its share; then what the whole says of each sample that it
    did not see, and how sure it is, (n,) both, warped.

    One process reads statistics and encoding, with effects of pairs of choices where there are any; one reads the
    encoding alone: statistics that mislead are found out by the samples, not trusted. One more for each source takes
    what that predicts as its prior mean.

    Args:
        fitted: of the ensemble alone.
        read: what is known of the n samples.
        target: warped accuracies (n,).
        relative: variances of their noise in a unit of their own, (n,).
        blind: what networks that never saw a sample say of it, (n,).
        choices: for each column of the encoding the number of its choice, (E,).
        seed: of the processes' fits.
    """
    made = _processes(read, target, relative, choices, seed=seed)
    means = [blind, *(left_out.mean for _, left_out in made)]
    variances = [np.full(len(target), fitted.noise**2), *(left_out.variance for _, left_out in made)]
    told = read.told.shape[1]
    own = [_PRIOR_FIRST, *[1.0] * (len(made) - told - 1)]
    prior = np.array([_PRIOR_ENSEMBLE, *own, *[_PRIOR_SOURCE / max(1, told)] * told])
    shares = shares_of(np.stack(means), target, prior)
    middle = weighted(shares, means)
    spread = [variance + (mean - middle) ** 2 for mean, variance in zip(means, variances, strict=True)]
    kept = [number for number in range(len(made)) if shares[1 + number] > 0]
    whole = replace(
        fitted,
        shares=(float(shares[0]), *(float(shares[1 + number]) for number in kept)),
        processes=tuple(made[number][0] for number in kept),
        converged=all(left_out.converged for _, left_out in made),
    )
    return whole, middle, weighted(shares, spread)


def _processes(
    read: Read, target: Floats, relative: Floats32, choices: Sequence[int], *, seed: int
) -> list[tuple[Process, LeftOut]]:
    z, x = read.z, read.x * np.float32(ENCODING_SCALE)
    statistics = [z, z[:, :0]] if z.shape[1] else [z]
    made = [
        fit_process(part, x, target, relative, choices=choices, pairs=number == 0, seed=seed)
        for number, part in enumerate(statistics)
    ]
    for source, told in enumerate(read.told.T):
        process, left_out = fit_process(z, x, target, relative, choices=choices, prior=told, seed=seed)
        made.append((replace(process, source=source), left_out))
    return made
