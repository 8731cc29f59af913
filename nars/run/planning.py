"""What to do with a given time (`nars run --time`): a pure function of what is known, without any training.

The time is shared by one rule. A network wants so many epochs (`Lengths.good`); the best of those that get them within
the time is the one to begin with. What is left then, up to half of the time, goes to the search, if it buys as many
trainings as a search needs to find anything (`FEWEST`); if it does not, nothing is searched and the network to begin
with is trained for all of the time. Measured on real photos, ten minutes of two cores are better spent so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import ceil, floor
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nars.arrays import Floats, Ints
from nars.errors import ConfigError
from nars.printing import counted
from nars.run.clock import spell_time

if TYPE_CHECKING:
    from nars.run.rehearsing import Pace

FEWEST = 8
"""Trainings below which a search is left out: so many candidates, the known one among them, differ by less than what
two validation splits make of the same candidate."""

MOST = 200
"""Trainings of one plan."""

SHARE = 0.5
"""Of the time, that a search gets at most: what it finds is trained for the rest."""

BESIDE = 1.15
"""Times as long as alone that a training takes beside others: they share caches and memory."""

SEARCH_BEGINS = 15.0
"""Seconds until the first candidate trains: workers start, the predictor is pretrained."""


@dataclass(frozen=True, kw_only=True)
class Lengths:
    """How long networks are trained, in epochs."""

    least: int
    """Below, a network is too large for the time."""
    good: int
    """Beyond, more epochs bring little."""
    most: int
    """More bring nothing."""
    search: int
    """Of a candidate."""
    images: int
    """Training images of a candidate, at most."""


FINE_TUNED = Lengths(least=5, good=12, most=60, search=4, images=2000)
"""Of pretrained networks."""

FROM_SCRATCH = Lengths(least=25, good=60, most=400, search=15, images=4000)


@dataclass(frozen=True, kw_only=True)
class Photos:
    """What is known of the images."""

    classes: int
    train: int
    """Without those held out for validation."""
    validation: int
    test: int
    side: int
    """Shorter side of a typical image, pixels."""
    multi_label: bool = False
    """Whether an image may have several labels, or none."""
    whole: bool = True
    """Whether random parts can be cut from whole images: they are no packed ones."""

    def __str__(self) -> str:
        counts = f"{self.train:,} training / {self.validation:,} validation / {self.test:,} test images"
        labels = ", several labels an image" if self.multi_label else ""
        return f"{self.classes:,} classes, {counts}, about {self.side} px{labels}"


@dataclass(frozen=True, kw_only=True)
class Networks:
    """N networks to begin with, each of which keeps all limits."""

    flops: Floats
    """(N,)"""
    sides: Ints
    """(N,) of their images, pixels."""
    quality: Floats
    """(N,) what is expected of each before anything is trained; only the order counts."""
    slowness: Floats
    """(N,) how many times as long each takes as others of its FLOPs do; 1 where it was not measured."""


@dataclass(frozen=True, kw_only=True)
class TimePlan:
    """The answer."""

    network: int
    """Number of the network to begin with."""
    trainings: int
    """Of the search; 0 where nothing is searched."""
    at_once: int
    search_epochs: int
    search_images: int
    final_epochs: int
    search_seconds: float
    final_seconds: float
    reasons: tuple[tuple[str, str], ...]
    """(key of the run configuration, why it is as it is)."""


def plan(
    photos: Photos, networks: Networks, pace: Pace, *, seconds: float, lengths: Lengths, searching: bool = True
) -> TimePlan:
    """How to spend the time.

    Args:
        photos: to train on.
        networks: to choose from.
        pace: measured here.
        seconds: for trainings alone; loading, export and report are taken off.
        lengths: of pretrained networks or of others.
        searching: False where somebody wants no search.

    Raises:
        ConfigError: the time is too short for an epoch of any network.
    """
    epoch = np.array([final_epoch(pace, photos, flops) for flops in networks.flops]) * networks.slowness
    if not len(epoch):
        raise ConfigError("no network of the space keeps these limits; raise them, or name another space by --space")
    network, how = _network(networks, epoch, seconds, lengths, photos)
    one = float(epoch[network])
    images = min(photos.train, lengths.images)
    each = candidate(pace, photos, float(networks.flops[network]), epochs=lengths.search, images=images)
    each *= BESIDE * float(networks.slowness[network])
    wanted = max(lengths.good * one, (1 - SHARE) * seconds)
    spare = seconds - min(wanted, lengths.most * one)
    trainings = _trainings(spare, each, pace.at_once) if searching else 0
    search = SEARCH_BEGINS + trainings / pace.at_once * each if trainings else 0.0
    epochs = min(lengths.most, max(1, round((seconds - search) / one)))
    if trainings:
        fidelity = f"{counted(lengths.search, 'epoch')} on {images:,} images order candidates well enough"
        why = (
            f"{trainings} trainings in {spell_time(search)}, {pace.at_once} at once; the rest of the time is for the "
            f"network that they find"
        )
    elif not searching:
        fidelity, why = "", "nothing is searched, as it was asked"
    else:
        needed = lengths.good * one + SEARCH_BEGINS + ceil(FEWEST / pace.at_once) * each
        fidelity = ""
        why = (
            f"nothing is searched: to train this network well ({counted(lengths.good, 'epoch')}) and {FEWEST} others "
            f"briefly takes {spell_time(max(needed, 2 * (needed - lengths.good * one)))}, more than there is"
        )
    final = f"about {one:.1f} s each, as many as the time allows"
    if epochs == lengths.most:
        final = f"about {one:.1f} s each; more would bring nothing"
    reasons = [("collect.start", how), ("collect.rounds", why)]
    reasons += [("collect.epochs", fidelity)] if trainings else []
    return TimePlan(
        network=network,
        trainings=trainings,
        at_once=pace.at_once,
        search_epochs=lengths.search,
        search_images=images,
        final_epochs=epochs,
        search_seconds=search,
        final_seconds=epochs * one,
        reasons=(*reasons, ("final.epochs", final)),
    )


def final_epoch(pace: Pace, photos: Photos, flops: float) -> float:
    """Seconds of an epoch of final training, which has all cores to itself."""
    return _epoch(pace, photos, flops, photos.train) / pace.gain


def candidate(pace: Pace, photos: Photos, flops: float, *, epochs: int, images: int) -> float:
    """Seconds of a training of the search on one worker that is alone."""
    return epochs * _epoch(pace, photos, flops, images)


def _epoch(pace: Pace, photos: Photos, flops: float, images: int) -> float:
    looks = 2 * photos.validation  # with the network and with its averaged weights
    return images * pace.train(flops) + looks * pace.forward(flops)


def _network(networks: Networks, epoch: Floats, seconds: float, lengths: Lengths, photos: Photos) -> tuple[int, str]:
    """The network to begin with, and why."""
    best = _best(networks, lengths.good * epoch <= seconds)
    if best is not None:
        if best == int(np.argmax(networks.quality)):
            return best, f"the best of all {len(epoch)}, and the time is enough for {lengths.good} epochs of it"
        return best, f"the best of {len(epoch)} that get {lengths.good} epochs within the time"
    best = _best(networks, lengths.least * epoch <= seconds)
    if best is not None:
        return best, f"the time is short: {lengths.least} epochs of it are possible, {lengths.good} would be good"
    smallest = int(np.argmin(epoch))
    if epoch[smallest] > seconds:
        needed = lengths.least * float(epoch[smallest])
        raise ConfigError(
            f"an epoch on {photos.train:,} training images takes about {spell_time(float(epoch[smallest]))} of the "
            f"smallest network here, and {spell_time(max(seconds, 0))} are left for it; give about "
            f"{ceil((needed + 60) / 60)}m more by --time"
        )
    return smallest, f"the fastest of {len(epoch)}; the time is short even for that"


def _best(networks: Networks, among: NDArray[np.bool_]) -> int | None:
    places = np.flatnonzero(among)
    return None if not len(places) else int(places[np.argmax(networks.quality[places])])


def _trainings(spare: float, each: float, at_once: int) -> int:
    """Whole batches of as many as train at once; 0 where they are too few to find anything."""
    batches = max(0, floor((spare - SEARCH_BEGINS) / each))
    trainings = min(MOST, batches * at_once)
    return 0 if trainings < FEWEST else trainings


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What a plan was made by, for its revision."""

    pace: Pace
    photos: Photos
    slowness: float
    """Of the network to begin with."""
    pretrained: bool

    @property
    def lengths(self) -> Lengths:
        """Of its trainings."""
        return FINE_TUNED if self.pretrained else FROM_SCRATCH

    def ledger(
        self, *, left: float, asked: float, trainings: Sequence[tuple[float, int, float]], images: int, flops: float
    ) -> Ledger:
        """How a run stands.

        Args:
            left, asked: seconds for trainings, as `Ledger` has them.
            trainings: (FLOPs, epochs, seconds) of each training of the search.
            images: training images of each of them.
            flops: of the network that final training would be of.
        """
        ratios = [
            seconds / candidate(self.pace, self.photos, size, epochs=epochs, images=images)
            for size, epochs, seconds in trainings
        ]
        slow = float(np.median(ratios)) / BESIDE if ratios else self.slowness
        batch = max((seconds for _, _, seconds in trainings[-2 * self.pace.at_once :]), default=0.0)
        return Ledger(left=left, asked=asked, batch=batch, epoch=slow * final_epoch(self.pace, self.photos, flops))

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    @staticmethod
    def from_dict(document: Mapping[str, Any]) -> Expected:
        """Read what `to_dict` wrote.

        Raises:
            TypeError, KeyError: it is not that.
        """
        from nars.run.rehearsing import Pace  # brings torch

        pace: Any = {key: tuple(v) if isinstance(v, list) else v for key, v in document["pace"].items()}
        return Expected(**{**document, "pace": Pace(**pace), "photos": Photos(**document["photos"])})


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """How a run with a time stands, as measured."""

    left: float
    """Seconds for trainings."""
    asked: float
    """Seconds for trainings when it began."""
    batch: float
    """Seconds of as many trainings of the search as run at once."""
    epoch: float
    """Seconds of an epoch of final training of the best so far."""


def goes_on(ledger: Ledger, lengths: Lengths) -> bool:
    """Whether the search goes on with another batch of trainings: if final training then has what it wants."""
    wanted = min(max(lengths.good * ledger.epoch, (1 - SHARE) * ledger.asked), lengths.most * ledger.epoch)
    return ledger.left - ledger.batch >= wanted


def epochs_left(ledger: Ledger, lengths: Lengths) -> int:
    """Epochs of final training that the time is good for."""
    return min(lengths.most, max(1, round(ledger.left / ledger.epoch)))
