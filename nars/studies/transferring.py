"""Found networks on other images: the paper's CIFAR-10 transfer (FBNetV3, arXiv 2006.02049, section 4.3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nars.errors import ConfigError
from nars.files.atomic import write_text
from nars.network import Start
from nars.printing import brief_repr
from nars.run import Execution, Given, Reporter, Silent, check_training, read_config
from nars.run.folder import run_in
from nars.run.teaching import KnownNetwork
from nars.space import BASE, Architecture, dump_yaml, small_forms
from nars.stages.members import distinct, family_in
from nars.studies.pairs import Pair, find_pair
from nars.studies.training_other import train_found
from nars.train import MemberResult

PAPER: Mapping[str, Any] = {"final.teacher": "none", "final.ema_decay": 0.999}
"""The paper's settings on CIFAR-10, where nobody says others: no distillation, its decay of the averaged weights."""
TRANSFER = "transfer"
"""Folder in a run's, or in a network's."""


@dataclass(frozen=True, kw_only=True)
class Transferred:
    """A network in its form for other images, in a folder that `nars train` and `nars export` take."""

    __repr__ = brief_repr

    pair: Pair
    resolution: int
    """Side of its images, pixels."""
    result: MemberResult


def transfer(
    place: str | Path,
    to: str | Path,
    *,
    members: Sequence[str] | None = None,
    base: int = BASE,
    with_weights: bool = False,
    overrides: Mapping[str, Any] | None = None,
    options: Mapping[str, str] | None = None,
    folder: Path | None = None,
    device: str = "auto",
    reporter: Reporter | None = None,
) -> tuple[Transferred, ...]:
    """Train the networks of a run, or one by its folder, on the images of another run configuration.

    Each gets its form for small images (`nars.space.small_forms`), keeps its recipe, and is trained by the final
    training of the configuration, with `PAPER` where that is not overridden. Started again it goes on.

    Args:
        place: folder of a run, or of one network (`nars.studies.find_pair`).
        to: run configuration that names the images: built-in, file, or folder of a run.
        members: names of a run's members; all of them when None.
        base: side of the smallest member's images, pixels; the others are larger in proportion.
        with_weights: start from the member's exported weights; the last layer is new for other classes.
        overrides: dotted keys of the configuration with new values.
        options: those keys with the option that gave them, for errors.
        folder: gets a folder for each network; transfer/CONFIG in that of the run or network when None.
        device: as `nars.parallel.resolve_device` takes it.
        reporter: who is told.

    Raises:
        ConfigError: no such networks, or they are not of stages of MBConv blocks.
        NetworkError, ExportError: weights are asked for, and they do not fit or are not there.
        SpaceError: base is too small.
        DataError: the images are missing.
    """
    given = read_config(to, {**PAPER, **(overrides or {})}, options=options)
    check_training(given.config, Execution(device=device), place=given.place)
    family = _family(Path(place))
    chosen = _chosen(family, members)
    forms = dict(zip((pair.name for pair in family), small_forms(list(map(_blocks, family)), base=base), strict=True))
    home = folder or _home(Path(place)) / TRANSFER / given.config.name
    return tuple(
        _train(pair, forms[pair.name], given, home / pair.name, with_weights, device, reporter or Silent())
        for pair in chosen
    )


def _train(
    pair: Pair, form: Architecture, given: Given, home: Path, with_weights: bool, device: str, reporter: Reporter
) -> Transferred:
    start = _start(pair) if with_weights else None
    small = replace(pair, place=home, architecture=form, training=home / "training", run=None, kept=None, images=None)
    result = train_found(small, given.config, images=None, start=start, device=device, reporter=reporter)
    # Only now: a training of another form in this folder is refused, and its files are to stay.
    write_text(home / "architecture.yaml", dump_yaml(form.to_dict()))
    write_text(home / "recipe.yaml", dump_yaml(pair.recipe.to_dict()))
    return Transferred(pair=small, resolution=form.resolution, result=result)


def _start(pair: Pair) -> Start:
    """The weights of a network that is exported, or was trained by itself."""
    known = KnownNetwork.of(str(pair.place))
    return Start(state=known.load().state_dict(), source=str(pair.place), normalization=(known.mean, known.std))


def _family(place: Path) -> list[Pair]:
    """The pairs of a run, or one by its folder."""
    run = run_in(place)
    if run is not None:
        names = [member.name for member in distinct(family_in(run).members)]
        pairs = [find_pair(run.member(name)) for name in names]
    else:
        pairs = [find_pair(place)]
    found = [pair for pair in pairs if pair is not None]
    if not found:
        raise ConfigError(
            f"{place} holds nothing to transfer: give the folder of a run with a family, of one of its members, of an "
            f"answer, or one with architecture.yaml and recipe.yaml"
        )
    return found


def _chosen(family: Sequence[Pair], names: Sequence[str] | None) -> list[Pair]:
    known = {pair.name: pair for pair in family}
    if unknown := [name for name in names or () if name not in known]:
        raise ConfigError(f"--members takes names of the family, {', '.join(known)}; got {', '.join(unknown)}")
    return [known[name] for name in names or known]


def _blocks(pair: Pair) -> Architecture:
    if not isinstance(pair.architecture, Architecture):
        raise ConfigError(
            f"the form for small images is known of stages of MBConv blocks, {pair.name} is of "
            f"{pair.architecture.family}; train it on other images as it is: nars train {pair.place} --config CONFIG"
        )
    return pair.architecture


def _home(place: Path) -> Path:
    run = run_in(place)
    return place if run is None else run.path
