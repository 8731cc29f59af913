"""Latency fitted to a few dozen whole networks, for families whose blocks cannot be run, or when blocks are too many.

N networks; a feature is a cost or a statistic that follows from the choices (`nars.space.latency_features`). Every form
that is fitted is linear in features and choices, and minimizes relative errors; cross-validation chooses the form.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from nars.arrays import Floats
from nars.files.sealed import write_sealed
from nars.network.errors import LatencyError
from nars.network.measured import REPEATS, measure_files, measurements_folder
from nars.network.runner import OnnxRunner
from nars.space import (
    Agreement,
    AnyArchitecture,
    FittedLatency,
    Population,
    Space,
    SpaceError,
    distinct,
    latency_features,
    read_device_file,
    sobol,
)

FEWEST = 12
"""Whole networks that a fit needs."""
_FOLDS = 10
_PENALTIES = np.logspace(-5, 3, 17)
"""Of ridge regression; its own leave-one-out error chooses one."""


@dataclass(frozen=True, kw_only=True)
class _Design:
    """What latency may depend on, and latency."""

    features: Floats
    """(N, F), each between 0 and 1."""
    choices: Floats
    """(N, O), one column of 0 and 1 for each choice of each dimension."""
    milliseconds: Floats
    """(N,)."""

    def of(self, rows: Population) -> _Design:
        """Some of the networks."""
        return _Design(features=self.features[rows], choices=self.choices[rows], milliseconds=self.milliseconds[rows])

    @property
    def matrix(self) -> Floats:
        """(N, 1 + F + O): ones, features, choices."""
        return np.concatenate([np.ones((len(self.features), 1)), self.features, self.choices], axis=1)


_Form = Callable[[_Design], Floats]
"""The coefficients of a design's columns, (1 + F + O,)."""


def measure_networks(
    space: Space,
    path: Path,
    runner: OnnxRunner,
    *,
    networks: int,
    encode: Callable[[AnyArchitecture], bytes],
    batch: int = 1,
    repeats: int = REPEATS,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> FittedLatency:
    """Latency of a space's networks, fitted to some; measurements are kept beside `path`, and made once.

    Args:
        space: Of networks.
        path: JSON file of the result, written once all is measured.
        runner: What measures.
        networks: How many, all of them where the space has fewer; at least `FEWEST`.
        encode: A network as the content of an ONNX file, the same for the same network.
        batch: Images at once, which the files say.
        repeats: Measurements of each network, at least.
        progress: Called with (networks measured, networks in all).

    Raises:
        LatencyError: the runner fails, there are too few networks, or `path` holds a table of another device.
        SpaceError: there are no networks behind the choices, or `path` holds something else.
    """
    if batch < 1 or networks < FEWEST:
        raise LatencyError(f"--batch is at least 1 and --networks at least {FEWEST}, got {batch} and {networks}")
    _check_earlier(path, runner, batch)
    X = _some(space, networks)
    if len(X) < FEWEST:
        raise LatencyError(
            f"{space.name} has {len(X)} different architectures, and a fit needs at least {FEWEST} of them; vary more "
            f"in the space"
        )
    found = measure_files(
        [partial(encode, network) for network in space.architectures(X)],
        runner,
        measurements_folder(path, runner),
        repeats=repeats,
        progress=lambda done: progress(done, len(X)),
    )
    fitted = fit_latency(space, X, np.array([one.undisturbed for one in found]), runner=runner, batch=batch)
    write_sealed(path, fitted.to_dict())
    return fitted


def fit_latency(
    space: Space, X: Population, milliseconds: Floats, *, runner: OnnxRunner, batch: int = 1
) -> FittedLatency:
    """Latency of a space's networks, fitted to rows X (N, D) that took `milliseconds` (N,), N >= `FEWEST`.

    The agreement is that of networks left out of everything, the choice of the form included.
    """
    features, scale = _features(space, X)
    choices = _one_hot(space, X)
    design = _Design(features=features, choices=choices, milliseconds=milliseconds)
    form = _best(design)
    constant, *coefficients = form(design).tolist()
    weights = {name: value / size for (name, size), value in zip(scale.items(), coefficients, strict=False)}
    added, at = {}, len(scale)
    for column in _dimensions(space):
        dimension = space.dimensions[column]
        added[dimension.name] = tuple(coefficients[at : at + len(dimension.values)])
        at += len(dimension.values)
    return FittedLatency(
        space=space,
        device=runner.device,
        runtime=runner.runtime,
        batch=batch,
        threads=runner.threads,
        versions=runner.versions,
        constant=constant,
        weights={name: weight for name, weight in weights.items() if weight},
        choices={name: values for name, values in added.items() if any(values)},
        agreement=Agreement.of(_left_out(design, _best)),
    )


def _some(space: Space, networks: int) -> Population:
    """Distinct architectures of a space, (<= networks, D)."""
    X = sobol(space, 8 * networks, seed=0)
    X[:, space.columns_of("recipe")] = 0
    return distinct(space.canonical(X))[:networks]


def _features(space: Space, X: Population) -> tuple[Floats, Mapping[str, float]]:
    """Features that differ between the networks, each over its largest size (N, F), and these sizes."""
    found = {name: values for name, values in latency_features(space, X).items() if np.ptp(values) > 0}
    scale = {name: float(np.abs(values).max()) for name, values in found.items()}
    columns = [values / scale[name] for name, values in found.items()]
    return np.stack(columns, axis=1) if columns else np.zeros((len(X), 0)), scale


def _one_hot(space: Space, X: Population) -> Floats:
    parts = [np.eye(len(space.dimensions[column].values))[X[:, column]] for column in _dimensions(space)]
    return np.concatenate(parts, axis=1) if parts else np.zeros((len(X), 0))


def _dimensions(space: Space) -> list[int]:
    """Those whose choices may count by themselves; none of MBConv, where features of the blocks say it all."""
    return [] if space.kind == "mbconv" else space.columns_of("architecture").tolist()


def _by_features(design: _Design) -> Floats:
    """A constant and weights of features, none of them negative."""
    from scipy.optimize import nnls

    columns = design.matrix[:, : 1 + design.features.shape[1]] / design.milliseconds[:, None]
    solved, _ = nnls(columns, np.ones(len(columns)))
    return np.concatenate([solved, np.zeros(design.choices.shape[1])])


def _by_ridge(design: _Design, *, features: bool) -> Floats:
    """A constant and shrunken weights of choices, and of features if they are to count."""
    from sklearn.linear_model import RidgeCV

    begin, unit = 1 if features else 1 + design.features.shape[1], design.milliseconds.mean()
    relative = design.milliseconds / unit
    fitted = RidgeCV(_PENALTIES).fit(design.matrix[:, begin:], relative, sample_weight=relative**-2)
    solved: Floats = unit * np.concatenate([[fitted.intercept_], np.zeros(begin - 1), fitted.coef_])
    return solved


_FORMS: tuple[_Form, ...] = (_by_features, partial(_by_ridge, features=False), partial(_by_ridge, features=True))


def _best(design: _Design) -> _Form:
    """The form whose error is least on networks that it has not seen."""
    if not design.choices.shape[1]:
        return _by_features
    return min(_FORMS, key=lambda form: float(_left_out(design, lambda _: form).mean()))


def _left_out(design: _Design, choose: Callable[[_Design], _Form]) -> Floats:
    """|fitted / measured - 1| of each network, by a fit to the other folds, (N,)."""
    count = len(design.milliseconds)
    fold, matrix = np.arange(count) % min(_FOLDS, count), design.matrix
    off = np.empty(count)
    for number in range(fold.max() + 1):
        seen, unseen = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        coefficients = choose(part := design.of(seen))(part)
        off[unseen] = np.abs(matrix[unseen] @ coefficients / design.milliseconds[unseen] - 1)
    return off


def _check_earlier(path: Path, runner: OnnxRunner, batch: int) -> None:
    """Refuse to replace a file that is something else."""
    if not path.exists():
        return
    document = read_device_file(path)
    here = {"device": runner.device, "runtime": runner.runtime, "batch": batch, "threads": runner.threads}
    if "weights" not in document:
        raise SpaceError(f"{path} holds no latency fitted to whole networks; take another --out, or delete the file")
    for name, value in here.items():
        if document.get(name) != value:
            raise LatencyError(
                f"{path} was measured with {name} {document.get(name)!r}, now it is {value!r}; take another --out, or "
                f"delete the file"
            )
