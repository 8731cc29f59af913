"""The command `nars`."""

from __future__ import annotations

from nars.cli.interrupts import taking_interrupts


def main() -> None:
    """Run the command line; exit code 2 for what the user can mend, 130 after Ctrl-C, at whatever moment."""
    with taking_interrupts():
        from nars.cli.entry import run

        run()
