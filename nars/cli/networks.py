"""`nars train FOLDER` and `nars export FOLDER`: one network by its folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from nars.cli.starting import load_torch, say_device
from nars.errors import ConfigError

if TYPE_CHECKING:
    from nars.cli.opening import Asked
    from nars.export import Card, Verification


def is_one(name: str, *, trained: bool = False) -> bool:
    """Whether a name is the folder of one network, `trained` of any that has been trained by itself.

    Raises:
        ConfigError, DataError: it is one, and its files are damaged.
    """
    from nars.run.given import run_folder, run_names

    if name in run_names() or run_folder(name) is not None:
        return False
    from nars.studies.pairs import find_pair

    if trained:
        from nars.train.trained import trained_in

        if trained_in(name) is not None:
            return True
    return find_pair(name) is not None


def train(wanted: Asked, config: str | None, out: Path | None, device: str, weights: Path | None) -> None:
    """Train it, and say what it has come to."""
    load_torch()
    from nars.run import Silent, Terminal, execution
    from nars.studies import train_pair

    first = os.environ.get("RANK", "0") == "0"
    reporter, how = Terminal() if first else Silent(), execution(device=device)
    say_device(how, reporter)
    result = train_pair(
        wanted.name,
        config=config,
        overrides=wanted.overrides,
        options=wanted.options,
        folder=out,
        weights=weights,
        device=how.device,
        reporter=reporter,
    )
    if first:
        folder = result.weights.parent
        typer.echo(f"{folder}: {result.says}; nars export {out or wanted.name}")


def export(
    wanted: Asked,
    out: Path | None,
    *,
    verify: bool,
    again: bool,
    int8: bool,
    weights: Path | None = None,
    config: str | None = None,
) -> bool:
    """Export it, with `weights` in place of a training; whether all forms agree with PyTorch, where that is asked."""
    load_torch()
    from nars.run import Terminal
    from nars.studies import adopt, export_trained, find_pair, verify_trained

    reporter = Terminal()
    if weights is not None:
        pair = find_pair(wanted.name)
        if pair is None:
            raise ConfigError(
                f"--weights takes the place of a training, and {wanted.name} is one; give the folder of a network, "
                f"with architecture.yaml and recipe.yaml"
            )
        adopt(pair, weights, config=config, overrides=wanted.overrides, reporter=reporter)
    card = export_trained(
        wanted.name, folder=out, overrides=wanted.overrides, again=again, int8=int8, reporter=reporter
    )
    if int8:
        show_int8(card)
    return not verify or show_verification(verify_trained(wanted.name, folder=out, overrides=wanted.overrides))


def show_int8(card: Card) -> None:
    """Print what its int8 form has of accuracy and latency, beside float32."""
    found = card.int8
    assert found is not None
    typer.echo(
        f"{card.name} int8: test {found.accuracy:.2f} % (float32 {found.accuracy_float32:.2f} %), "
        f"{found.latency_ms:.3f} ms (float32 {found.latency_ms_float32:.3f} ms), "
        f"{found.bytes or 0:,} bytes (float32 {found.bytes_float32 or 0:,})"
    )


def show_verification(member: Verification) -> bool:
    """Print a line for each format; whether all of them agree with PyTorch."""
    for check in member.formats:
        shown = check.message or f"max |difference| {check.max_difference:.1e}, accuracy {check.accuracy:.2f} %"
        verdict = "ok" if check.passed else "DOES NOT RUN" if check.message else "DIFFERS"
        typer.echo(f"{member.name} {check.form}: {verdict}, {shown}")
    for file in member.changed:
        typer.echo(f"{member.name} {file}: not the file that was exported")
    return member.passed
