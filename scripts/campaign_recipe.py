"""Claim 6: the recipe that was searched together with a network, on timm networks that it was not made for."""

from __future__ import annotations

from collections.abc import Iterator

from campaign_arms import Arm, Ground, Step, hours, trained
from campaign_pairs import USUAL_RECIPES, usual_recipe
from campaign_searched import searched
from nars.network.timm_models import timm_architecture

NETWORKS = ("mobilenetv3_small_050", "lcnet_050", "regnetx_002")
"""Small ones: a training of mobilenetv3_small_100, 1.5 million parameters, takes four times as long as a pair's."""
RESOLUTION = 32
"""Pixels: timm's networks reduce their images by 32."""

SEEDS = 3
_SECONDS = 45


def recipe(ground: Ground) -> Iterator[str]:
    """Every network with the searched recipe and with each usual one."""
    folder = ground.out / "recipe" / "samples"
    names, seeds = (NETWORKS[1:2], 2) if ground.rehearsed else (NETWORKS, ground.seeds or SEEDS)
    usual = dict(list(USUAL_RECIPES.items())[: 1 if ground.rehearsed else None])
    if ground.plan:
        trainings = len(names) * (1 + len(usual)) * seeds
        yield from hours([Step(what="timm networks", trainings=trainings, folder=folder, seconds=_SECONDS)])
        return
    space, members = ground.space, searched(ground)
    rows = {"searched": members[len(members) // 2].row}
    rows |= {name: usual_recipe(space, named) for name, named in usual.items()}
    arms = []
    for name in names:
        network = timm_architecture(name, resolution=RESOLUTION, in_channels=space.in_channels, classes=space.classes)
        for label, row in rows.items():
            (settings,) = space.recipes(space.canonical(row[None]))
            labels = {"model": name, "by": label}
            arms.append(Arm(labels=labels, network=network, recipe=settings, task=ground.task))
    yield from trained(ground, folder, arms, seeds)
