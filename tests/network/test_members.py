"""Searched networks as pretrained ones."""

import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from nars.network import NetworkError, build
from nars.space import enumerate_architectures, load_space

sys.path.insert(0, str(Path(__file__).parents[1] / "space"))
from small_member import write_member

SPACE = """
name: of-members
kind: members
architecture: {member: {small: small}, classes: 5}
recipe: {learning_rate: [0.01, 0.02]}
"""


def test_a_network_starts_from_what_it_has_learned_and_its_classes_anew(tmp_path: Path) -> None:
    write_member(tmp_path / "small")
    (tmp_path / "space.yaml").write_text(SPACE)
    space = load_space(tmp_path / "space.yaml")
    (architecture,) = space.architectures(enumerate_architectures(space))
    assert (architecture.resolution, architecture.classes) == (16, 5)
    assert architecture.normalization == ((0.4, 0.5, 0.6), (0.2, 0.25, 0.3))
    learned, network = load_file(tmp_path / "small/model.safetensors"), build(architecture, seed=1)
    for name, value in network.state_dict().items():
        expected = torch.zeros_like(value) if name.startswith("classifier") else learned[name]
        assert torch.equal(value, expected), name
    images = torch.zeros(2, 3, 16, 16)
    assert network(images).shape == (2, 5)
    (tmp_path / "gray.yaml").write_text(SPACE.replace("classes: 5", "classes: 8, in_channels: 1"))
    gray = load_space(tmp_path / "gray.yaml")
    first = build(gray.architectures(enumerate_architectures(gray))[0], seed=1).state_dict()["conv_stem.weight"]
    assert first.shape[:2] == (8, 1)  # as many as classes, and no classifier
    assert first.abs().max() > 0
    state = {f"x.{name}": value for name, value in learned.items()}
    save_file(state, tmp_path / "small/model.safetensors")
    with pytest.raises(NetworkError, match="has other weights than it had"):
        build(architecture, seed=1)
    with pytest.raises(NetworkError, match="does not hold weights of small"):
        build(load_space(tmp_path / "space.yaml").architectures(enumerate_architectures(space))[0], seed=1)
