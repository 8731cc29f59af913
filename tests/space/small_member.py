"""A searched network as an exported member has it: its architecture, its normalization, its weights."""

import json
import tempfile
from pathlib import Path

from safetensors.torch import save_file

from nars.network import build
from nars.space import Architecture, Head, Stage, Stem

_STAGE = Stage(kernel_first=3, kernel_rest=3, expand_first=2, expand_rest=2, channels=8, depth=1, stride=2, se=True)
NETWORK = Architecture(
    resolution=16, stem=Stem(channels=8, stride=1), stages=(_STAGE,), head=Head(expand=2, channels=16), classes=7
)


def write_member(folder: Path, *, seed: int = 3) -> Path:
    """What a space needs of an exported member."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file(build(NETWORK, seed=seed).state_dict(), folder / "model.safetensors")
    seen = {"mean": [0.4, 0.5, 0.6], "std": [0.2, 0.25, 0.3]}
    document = {"model_args": {"network": NETWORK.to_dict()}, "pretrained_cfg": seen}
    (folder / "config.json").write_text(json.dumps(document))
    return folder


_PLACE = tempfile.TemporaryDirectory()

SPACE = f"""
name: of-members
kind: members
architecture:
  member: {{small: {write_member(Path(_PLACE.name) / "small")}, other: {write_member(Path(_PLACE.name) / "b", seed=4)}}}
  resolution: [12, 16]
  classes: 5
recipe: {{learning_rate: [0.01, 0.02], dropout: [0.0, 0.1], stochastic_depth: [0.0, 0.1]}}
"""
