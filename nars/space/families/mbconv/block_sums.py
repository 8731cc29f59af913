"""What latency may depend on that adds up over blocks, so that the ends of its range can be found block by block."""

from __future__ import annotations

import numpy as np

from nars.arrays import Floats
from nars.space.families.mbconv.blocks import Block, MBConvBlock
from nars.space.families.mbconv.costs import block_costs

_COUNTED = ("blocks", "blocks.large", "blocks.gated")
SUMMED = ("flops", "params", "activations", *_COUNTED)
"""Costs and statistics of the family, by their names there."""


def block_sum(block: Block, name: str) -> Floats:
    """What a block adds to one of `SUMMED`, times its repetitions."""
    if name not in _COUNTED:
        return block_costs(block).adds(name).astype(np.float64)
    if not isinstance(block, MBConvBlock):
        return np.zeros(1)
    counts = {"blocks": np.ones_like(block.se), "blocks.large": block.kernel > 3, "blocks.gated": block.se}[name]
    added: Floats = np.multiply(block.times, counts, dtype=np.float64)
    return added
