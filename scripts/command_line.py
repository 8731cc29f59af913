"""The arguments that all stage scripts share."""

from __future__ import annotations

import argparse
from pathlib import Path

from nars.run import Execution, Run, Terminal, load_config, open_run


def opened_run(about: str | None) -> Run:
    """The run that the command line names: `CONFIG [--out FOLDER] [--workers N] [--device DEVICE]`."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", help="built-in run configuration or YAML file")
    parser.add_argument("--out", type=Path, help="run folder; runs/NAME when absent")
    parser.add_argument("--workers", type=int, default=0, help="trainings at once; 0 is one per core")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N, mps")
    arguments = parser.parse_args()
    return open_run(
        load_config(arguments.config),
        arguments.out,
        execution=Execution(workers=arguments.workers, device=arguments.device),
        reporter=Terminal(),
    )
