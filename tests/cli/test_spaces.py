"""The space of a store is found where it is, and only if the samples belong to it."""

from pathlib import Path

import numpy as np
import pytest

from nars.cli.spaces import space_of
from nars.errors import ConfigError, StoreError
from nars.space import Space, load_space, sobol, space_names
from nars.store import SampleStore, keep_space, write_space
from nars.trials import TrialTable, samples_of

OWN = """
name: own
architecture:
  resolution: 16
  stem: {channels: 8}
  stages: [{kernel: [3, 5], expand: 2, channels: [8, 16], depth: [1, 2]}]
  head: {}
recipe: {learning_rate: [1e-3, 1e-2], ema: [yes, no]}
"""


def fill(folder: Path, space: Space) -> Path:
    X = np.unique(space.canonical(sobol(space, 12, seed=0)), axis=0)
    accuracy = np.linspace(50, 90, len(X))[:, None]
    SampleStore(folder).append(samples_of(TrialTable(name="t", space=space, X=X, values=accuracy), data="d"))
    return folder


@pytest.mark.parametrize("name", space_names())
def test_built_in_spaces_are_known_by_their_samples(name: str, tmp_path: Path) -> None:
    space = load_space(name)
    assert space_of(None, str(fill(tmp_path, space))).fingerprint == space.fingerprint


@pytest.mark.parametrize(("classes", "channels"), [(7, 1), (100, 3)])
def test_also_with_other_classes_and_channels(classes: int, channels: int, tmp_path: Path) -> None:
    space = load_space("digits", classes=classes, in_channels=channels)
    assert space_of(None, str(fill(tmp_path, space))).fingerprint == space.fingerprint


@pytest.mark.parametrize("where", ["_space.yaml", "space/space.yaml", "space.yaml", "predictor/space.yaml"])
@pytest.mark.parametrize("asked", [".", "samples"])
def test_own_spaces_are_found_in_the_store_or_the_run(where: str, asked: str, tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(OWN)
    space = load_space(tmp_path / "own.yaml", classes=5, in_channels=1)
    (tmp_path / "own.yaml").unlink()
    run = tmp_path / "run"
    store = fill(run / "samples", space)
    with pytest.raises(ConfigError, match=rf"fingerprint {space.fingerprint}.*name its file by --space"):
        space_of(None, str(run / asked))
    if where == "_space.yaml":
        keep_space(store, space)
        assert len(SampleStore(store).samples()) > 1
    else:
        write_space(space, run / where)
    moved = run.rename(tmp_path / "moved")
    assert space_of(None, str(moved / asked)).fingerprint == space.fingerprint


def test_a_space_that_does_not_fit_is_passed_over(tmp_path: Path) -> None:
    run = tmp_path / "run"
    fill(run / "samples", load_space("digits"))
    (run / "space.yaml").write_text(OWN)
    assert space_of(None, str(run)).name == "digits"


def test_nothing_to_go_by(tmp_path: Path) -> None:
    SampleStore(tmp_path / "empty").append([])
    (tmp_path / "empty").mkdir()
    with pytest.raises(StoreError, match="holds no samples"):
        space_of(None, str(tmp_path / "empty"))
    (tmp_path / "trials.csv").write_text("a,b\n")
    with pytest.raises(ConfigError, match="say by --space"):
        space_of(None, str(tmp_path / "trials.csv"))
    assert space_of("digits", "anything").name == "digits"
