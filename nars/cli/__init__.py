"""The command `nars`."""

from nars.cli.main import main

__all__ = ["main"]
