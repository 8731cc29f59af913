"""What a run, a fit or an audit starts from: predictors of other data sets, kept in the run's folder."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from nars.errors import ConfigError
from nars.files.sealed import write_sealed
from nars.predictors import Match, Source, load_predictor, save_predictor
from nars.run import Run
from nars.run.folder import read_json
from nars.run.journal import planned_sizes
from nars.space import read_document, read_space
from nars.stages.predictors import open_predictor, predictor_folder
from nars.store import write_space

_GIVEN, _SPACE = "given.json", "space.yaml"


def open_source(name: str | Path) -> Source:
    """A fitted predictor to start from, by shipped name ("cifar10"), predictor folder or run folder.

    Raises:
        ConfigError: no predictor is there, or it has learned from nothing.
        PredictorError: its files are damaged.
    """
    space, predictor = open_predictor(name)
    if predictor.fitted is None:
        raise ConfigError(f"the predictor at {str(name)!r} has seen no trainings, so there is nothing to start from")
    folder = predictor_folder(name)
    return Source(name=Path(name).name or folder.parent.name, space=space, predictor=predictor)


def give_sources(run: Run, sources: Sequence[Source]) -> None:
    """Copy what a run starts from into its folder, before its first round; the same again changes nothing.

    Raises:
        ConfigError: the run has begun without them, or was given others.
        PredictorError: one has no choice in common with the run's space.
    """
    home = run.folder.sources
    about = {"sources": [[source.name, fingerprint(source)] for source in sources]}
    if (home / _GIVEN).is_file():
        if read_json(home / _GIVEN).get("sources") != about["sources"]:
            raise ConfigError(
                f"{run.folder.path} was given other predictors to start from when it began (see {home / _GIVEN}); go "
                f"on without --warm-start, or begin another run with --out"
            )
        return
    if planned_sizes(run.folder):
        raise ConfigError(
            f"{run.folder.path} has begun without these predictors, and what it has chosen depends on what it knew; go "
            f"on without --warm-start, or begin another run with --out"
        )
    matches = [source.match(run.space) for source in sources]
    for number, source in enumerate(sources):
        write_space(source.space, home / str(number) / _SPACE)
        save_predictor(source.predictor, home / str(number), space=source.space, data=source.name)
    write_sealed(home / _GIVEN, about)
    for source, match in zip(sources, matches, strict=True):
        run.log(f"starts from {source.name}: {spell_match(source, match)}")
        for said, names in (
            ("averaged over what only it chooses", match.only_source),
            ("of this it says nothing", match.only_space),
        ):
            if names:
                run.log(f"  {said}: {', '.join(names)}")


def load_sources(run: Run) -> tuple[Source, ...]:
    """What the run was given to start from; none where it was given nothing."""
    home = run.folder.sources
    if not (home / _GIVEN).is_file():
        return ()
    found = []
    for number, (name, _) in enumerate(read_json(home / _GIVEN)["sources"]):
        space = read_space(read_document(home / str(number) / _SPACE))
        found.append(Source(name=name, space=space, predictor=load_predictor(home / str(number), space)))
    return tuple(found)


def spell_match(source: Source, match: Match) -> str:
    """How much two spaces have in common, in words."""
    samples = source.predictor.fitted.samples if source.predictor.fitted is not None else 0
    return f"{samples:,} trainings in {source.space.name}, {len(match.shared)} choices in common"


def fingerprint(source: Source) -> str:
    """Hash of what it says."""
    digest = hashlib.sha256(source.space.fingerprint.encode())
    for name, value in sorted(source.predictor.weights.items()):
        digest.update(name.encode() + value.tobytes())
    return digest.hexdigest()[:16]
