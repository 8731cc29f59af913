"""Draws on a GPU that is not the current one; generators of the CPU stand for those of GPUs."""

import pytest
import torch

from nars.recipe.generators import generators_of, left_alone


def test_the_generator_of_the_device_is_seeded_whichever_is_current(monkeypatch: pytest.MonkeyPatch) -> None:
    gpus = tuple(torch.Generator() for _ in range(4))
    monkeypatch.setattr("torch.cuda.init", lambda: None)
    monkeypatch.setattr("torch.cuda.current_device", lambda: 0)
    monkeypatch.setattr("torch.cuda.default_generators", gpus)
    assert generators_of(torch.device("cuda:2")) == (torch.default_generator, gpus[2])
    assert generators_of(torch.device("cuda")) == (torch.default_generator, gpus[0])
    assert generators_of(torch.device("cpu")) == (torch.default_generator,)


def test_what_is_drawn_inside_is_not_seen_outside() -> None:
    generators = (torch.default_generator, torch.Generator())
    straight = [torch.rand(3, generator=generator.clone_state()) for generator in generators]
    with left_alone(generators):
        for generator in generators:
            torch.rand(5, generator=generator)
    for generator, expected in zip(generators, straight, strict=True):
        assert torch.equal(torch.rand(3, generator=generator), expected)
