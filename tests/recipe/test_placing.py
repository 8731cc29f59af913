"""Where training images are: on the GPU, or in the machine's memory where they would fill it. Torch's device without
data stands for the GPU."""

import pytest
import torch

from nars.images import ImageData
from nars.parallel import device_memory
from nars.parallel.devices import memory_fraction
from nars.recipe import ALONE, Augmentation, Recipe
from nars.recipe.batches import Batches

GPU = torch.device("meta")
CROP = 2


@pytest.mark.parametrize(("spare", "place"), [(0, "meta"), (-1, "cpu")])
def test_images_stay_in_the_machine_where_they_would_fill_the_gpu(
    digits: ImageData, monkeypatch: pytest.MonkeyPatch, spare: int, place: str
) -> None:
    padded = len(digits.train) * (8 + 2 * CROP) ** 2
    monkeypatch.setattr("nars.recipe.stores.device_memory", lambda _: 4 * padded + spare)
    batches = Batches(
        digits,
        batch_size=32,
        augmentation=Augmentation(crop=CROP / 8),
        recipe=Recipe(learning_rate=0.1),
        seed=0,
        peers=ALONE,
        device=GPU,
    )
    assert batches._images._crops.device.type == place  # type: ignore[union-attr]
    batch = batches.batch(batches.plan(0), 0)
    assert (batch.images.device.type, batch.images.shape) == ("meta", (32, 1, 8, 8))
    assert batch.labels.device.type == "meta"


@pytest.mark.parametrize(("processes", "gigabytes"), [(1, 80.0), (2, 39.4), (4, 19.4), (8, 9.4), (100, 0.4)])
def test_processes_on_a_gpu_share_its_memory_less_their_contexts(processes: int, gigabytes: float) -> None:
    whole = 80 * 2**30
    each = memory_fraction(whole, processes) * whole
    assert each / 2**30 == pytest.approx(gigabytes, abs=0.02)
    assert processes * each <= whole


def test_a_process_counts_on_its_part_and_on_what_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.current_device", lambda: 1)
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda index: (3000 * index + 1000, 16000))
    monkeypatch.setattr("torch.cuda.get_per_process_memory_fraction", lambda index: 0.25 / index if index else 0.5)
    assert (device_memory("cuda:0"), device_memory("cuda"), device_memory("cuda:1")) == (1000, 4000, 4000)


def test_only_a_gpu_has_memory_of_its_own() -> None:
    assert device_memory("cpu") is None
    assert device_memory("mps") is None
