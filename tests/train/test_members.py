from collections.abc import Sequence
from pathlib import Path

import pytest

from nars.images import ImageData
from nars.network import build
from nars.parallel import WorkerSetup
from nars.recipe import DivergedError, Recipe, Teaching, TrainingSettings
from nars.space import Architecture
from nars.train import EpochReport, MemberJob, train_members


def test_side_by_side_is_one_after_the_other(
    architecture: Architecture, recipe: Recipe, digits: ImageData, settings: TrainingSettings, tmp_path: Path
) -> None:
    teaching = Teaching(network=build(architecture, seed=8))

    def jobs(folder: str) -> list[MemberJob]:
        return [
            MemberJob(name=f"m{i}", architecture=architecture, recipe=recipe, folder=tmp_path / folder / str(i), seed=i)
            for i in range(3)
        ]

    def watch(name: str, report: EpochReport) -> None:
        heard.setdefault(name, []).append(report.epoch)

    heard: dict[str, list[int]] = {}
    here = train_members(jobs("here"), digits, settings, teaching=teaching, workers=1)
    there = train_members(jobs("there"), digits, settings, teaching=teaching, workers=2, on_epoch=watch)
    assert list(here) == list(there) == ["m0", "m1", "m2"]
    assert heard == {"m0": [1, 2, 3], "m1": [1, 2, 3], "m2": [1, 2, 3]}
    for name in here:
        assert here[name].weights.read_bytes() == there[name].weights.read_bytes()
        assert here[name].curve == there[name].curve


class Placed(BaseException):
    """Where the workers would be."""


def test_members_share_gpus_as_candidates_do(
    architecture: Architecture,
    recipe: Recipe,
    digits: ImageData,
    settings: TrainingSettings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def place(_: object, __: object, *, setups: Sequence[WorkerSetup]) -> None:
        raise Placed([setup.device for setup in setups])

    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.setattr("nars.train.members.Pool", place)
    jobs = [MemberJob(name=str(i), architecture=architecture, recipe=recipe, folder=tmp_path, seed=i) for i in range(4)]
    with pytest.raises(Placed) as found:
        train_members(jobs, digits, settings, per_gpu=2, device="cuda")
    assert found.value.args == (["cuda:0", "cuda:1", "cuda:0", "cuda:1"],)


def test_what_one_training_raises_is_raised(
    architecture: Architecture, digits: ImageData, settings: TrainingSettings, tmp_path: Path
) -> None:
    recipe = Recipe(learning_rate=1e30, optimizer="sgd")
    job = MemberJob(name="m", architecture=architecture, recipe=recipe, folder=tmp_path, seed=0)
    with pytest.raises(DivergedError):
        train_members([job], digits, settings)
