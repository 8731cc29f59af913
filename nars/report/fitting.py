"""Tables that fit the terminal: no heading and no figure is ever cut."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text


@final
class FittingTable:
    """Rows under headings where the terminal is wide enough for them; else each row as lines of "heading  value"."""

    def __init__(
        self, headings: Sequence[str], rows: Sequence[Sequence[str]], *, left: Sequence[str] = (), caption: str = ""
    ) -> None:
        """A table.

        Args:
            headings: one for each column.
            rows: as many cells each; a cell may have several lines.
            left: headings of columns that are aligned to the left, as text is; figures are to the right.
            caption: below.
        """
        self._headings, self._rows, self._left, self._caption = headings, rows, left, caption

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """As rich asks for it."""
        table = self._wide()
        if console.measure(table, options=options.update(width=10_000)).maximum <= options.max_width:
            yield table
        else:
            yield from self._narrow()
        if self._caption:
            yield Text(self._caption, style="dim")

    def _wide(self) -> Table:
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
        for heading in self._headings:
            table.add_column(heading, justify="left" if heading in self._left else "right", no_wrap=True)
        for row in self._rows:
            table.add_row(*map(Text, row))
        return table

    def _narrow(self) -> RenderResult:
        for row in self._rows:
            lines = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
            lines.add_column(no_wrap=True, style="bold")
            lines.add_column(overflow="fold")
            for heading, cell in zip(self._headings, row, strict=True):
                lines.add_row(Text(heading), Text(cell))
            yield lines
            yield ""
