"""The hash of logits: blind to what two runtimes may differ by, not to what they may not."""

import numpy as np
import pytest
import torch

from nars.export.fixed_input import LogitsHash, fixed_input


def test_fixed_input_by_hand() -> None:
    images = fixed_input(2, 3)
    assert images.shape == (1, 2, 3, 3)
    assert images[0, 1, 0, 0].item() == pytest.approx((9 * 37 % 256) / 127.5 - 1)
    assert images.min() >= -1
    assert images.max() <= 1


@pytest.mark.parametrize("classes", [1, 2, 10, 1000])
def test_small_differences_never_change_the_hash_and_large_ones_do(classes: int) -> None:
    rng = np.random.default_rng(classes)
    for _ in range(50):
        logits = torch.from_numpy(rng.normal(0, 3, classes)).float()
        fingerprint = LogitsHash.of(logits)
        noise = torch.from_numpy(rng.uniform(-1e-4, 1e-4, classes)).float()
        assert fingerprint.matches(logits)
        assert fingerprint.matches(logits + noise)
        moved = logits.clone()
        moved[rng.integers(classes)] += 1.01 * fingerprint.step
        assert not fingerprint.matches(moved)
