"""Stage 1: the predictor learns FLOPs and parameters, which cost nothing, before it sees any accuracy."""

from __future__ import annotations

from dataclasses import replace

from nars.predictors import PRESETS, Predictor, load_predictor, save_predictor
from nars.run import Run
from nars.stages.pool import CandidatePool
from nars.stages.predictors import made_here
from nars.stages.warm_start import load_sources


def load_pretrained(run: Run) -> Predictor | None:
    """The pretrained predictor that the run has; None before stage 1 is done.

    Raises:
        DataError: the one in the folder belongs to another run.
    """
    card = run.folder.encoder / "card.json"
    if not card.is_file():
        return None
    made_here(run, card)
    return replace(load_predictor(run.folder.encoder, run.space), sources=load_sources(run))


def pretrain(run: Run, pool: CandidatePool) -> Predictor:
    """Label the pool with free statistics, train encoder + proxy head on 80 %, validate on 20 %; it is kept."""
    settings = PRESETS[run.config.pretraining.preset]
    with run.reporter.bar("stage 1: pretraining", settings.pretrain_epochs) as advance:
        predictor = Predictor.pretrained(
            run.space, pool.X, settings=settings, seed=run.config.seed, progress=lambda done, of: advance(1, "")
        )
        predictor = replace(predictor, metric=run.metric)
    save_predictor(
        predictor, run.folder.encoder, space=run.space, data="free statistics of the pool", origin={"run": run.origin}
    )
    run.log(f"stage 1: {len(pool.X):,} Sobol pairs of {run.space.name}; {_errors(predictor)}")
    return replace(predictor, sources=load_sources(run))


def _errors(predictor: Predictor) -> str:
    if predictor.pretraining is None:
        return "nothing to pretrain on (no costs and no other free statistics of architectures)"
    errors = predictor.pretraining.errors
    shown = ", ".join(f"{name} {100 * errors[name].relative:.1f} %" for name in ("flops", "params") if name in errors)
    return f"validation error {shown or 'none'} (mean absolute, on {predictor.pretraining.validation:,} held out)"
