"""Shares of architecture and recipe against least squares; what may be asked for."""

import numpy as np
import pytest
from rich.console import Console

from nars.cli.swap import _table
from nars.errors import ConfigError
from nars.metric import IMAGE_METRICS
from nars.space import Bounds
from nars.stages import Member
from nars.studies import Swap, shares
from nars.studies.swapping import cells


def test_shares_are_those_of_a_regression_on_rows_and_columns() -> None:
    table = np.random.default_rng(0).normal(size=(4, 3))
    row, column = np.indices(table.shape)
    total = table.var() * table.size

    def residual(*factors: np.ndarray) -> float:
        """Sum of squares that indicators of the factors leave unexplained."""
        design = np.column_stack([np.ones(table.size), *(np.eye(f.max() + 1)[f.ravel()] for f in factors)])
        fitted = design @ np.linalg.lstsq(design, table.ravel(), rcond=None)[0]
        return float(((table.ravel() - fitted) ** 2).sum())

    found = shares(table)
    assert found.architecture == pytest.approx(1 - residual(row) / total)
    assert found.recipe == pytest.approx(1 - residual(column) / total)
    assert found.interaction == pytest.approx(residual(row, column) / total)
    assert found.deviation == pytest.approx(table.std())
    assert found.noise is None


def test_an_additive_table_has_no_interaction_and_a_constant_one_no_spread() -> None:
    rows, columns = np.array([[0.0], [3.0]]), np.array([[0.0, 4.0]])
    found = shares(70 + rows + columns)
    assert (found.architecture, found.recipe, found.interaction) == pytest.approx((9 / 25, 16 / 25, 0.0))
    still = shares(np.full((2, 2), 70.1))
    assert (still.deviation, still.architecture, still.recipe, still.interaction) == (0, 0, 0, 0)


def test_the_share_of_noise_is_what_noise_alone_gives_on_average() -> None:
    rng, variance = np.random.default_rng(1), 0.5
    clean = np.add.outer([0.0, 2.0, 5.0], [0.0, 1.0, 4.0, 6.0])
    noisy = [clean + rng.normal(scale=variance**0.5, size=clean.shape) for _ in range(2000)]
    found = [shares(table, cell_variance=variance) for table in noisy]
    assert np.mean([f.noise for f in found]) == pytest.approx(np.mean([f.interaction for f in found]), rel=0.05)


def test_which_cells() -> None:
    names = ["150k", "500k"]
    assert cells("all", names) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert cells("diagonal", names) == [(0, 0), (1, 1)]
    assert cells("500k:150k, 150k:150k,500k:150k", names) == [(1, 0), (0, 0)]
    for wrong in ("150k", "150k:1M", "", "150k:500k:150k"):
        with pytest.raises(ConfigError, match=r"ARCHITECTURE:RECIPE .*got .*members are 150k, 500k"):
            cells(wrong, names)


def test_the_table_is_of_the_metric(capsys: pytest.CaptureFixture[str]) -> None:
    members = tuple(
        Member(
            name=name,
            budget=Bounds.at_most(flops=flops),
            choices=(),
            record={},
            costs={"flops": flops},
            predicted=1.0,
            predicted_std=0.1,
            history=(),
            seconds=0.0,
        )
        for name, flops in (("150k", 150e3), ("500k", 500e3))
    )
    table = np.array([[1.3254, 1.2], [0.98765, 1.1]])
    found = Swap(
        members=members,
        metric=IMAGE_METRICS["log_loss"],
        epochs=2,
        predicted=table,
        predicted_std=0 * table,
        measured=np.stack([table, table + 0.002], axis=2),
    )
    Console(width=200).print(_table(found))
    shown = capsys.readouterr().out
    assert "architecture x recipe: log loss after 2 epochs, predicted | trained" in shown
    assert "1.325 | 1.326 ± 0.001414" in shown
    assert "%" not in shown
