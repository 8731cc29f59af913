"""How many train side by side, and what the machine's memory holds for them."""

import pytest

from nars.run import execution
from nars.run.run import _copies, trainings_at_once


@pytest.mark.parametrize(
    ("how", "gpus", "at_once"),
    [
        ({"engine": "in-process", "device": "cuda"}, 4, 1),
        ({"device": "cuda", "per_gpu": 3}, 2, 6),
        ({"device": "cuda", "workers": 3}, 2, 3),
        ({"device": "cuda:1", "per_gpu": 2}, 2, 2),
        ({"engine": "ray", "device": "cuda", "workers": 5}, 0, 5),  # the GPUs of other machines
    ],
)
def test_trainings_at_once_and_their_images(
    how: dict[str, object], gpus: int, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: gpus)
    made = execution(**how)
    assert trainings_at_once(made) == at_once
    assert _copies(made) == 1 + at_once
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    assert _copies(made) == 4  # each process has read them, and crops a copy of its own
