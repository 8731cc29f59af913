"""What a person sees while a stage works."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import timedelta
from typing import Protocol, final

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeElapsedColumn
from rich.table import Column
from rich.text import Text

from nars.printing import QUIET, plain_console, print_lines, wrapped

_SECONDS_BETWEEN_LINES = 30.0
_WIDE = 116
"""Columns of a terminal that has room for a note beside a bar; where it is narrower, the note stands below."""

Advance = Callable[[int, str], None]
"""advance(steps, note): so many more steps are done; the note stands beside the bar, its further lines below."""


class Reporter(Protocol):
    """Where stages tell what they do."""

    def say(self, text: str) -> None:
        """One line."""

    def bar(self, title: str, total: int) -> AbstractContextManager[Advance]:
        """A progress bar of `total` steps, as a context manager that gives `Advance`."""


class Silent:
    """Says nothing."""

    def say(self, text: str) -> None:
        """Nothing."""

    @contextmanager
    def bar(self, title: str, total: int) -> Iterator[Advance]:
        """No bar."""
        yield lambda steps, note: None


class Terminal:
    """Lines and bars on the terminal, on standard error so that standard output stays clean for results.

    Where no bar can be drawn (a file, a pipe, TERM=dumb) it is a line now and then.
    """

    def __init__(self, console: Console | None = None, *, every: float = _SECONDS_BETWEEN_LINES) -> None:
        """On a console, standard error when None; at least `every` seconds between the lines that stand for a bar."""
        self.console = console or plain_console(stderr=True)
        self._every, self._spoke, self._drawing = every, time.monotonic(), False
        self._quiet = QUIET.get()

    def say(self, text: str) -> None:
        """Print a line above any bar."""
        if self._quiet:
            return
        self._spoke = time.monotonic()
        print_lines(self.console, text)

    @contextmanager
    def bar(self, title: str, total: int) -> Iterator[Advance]:
        """A bar with count, elapsed and remaining time."""
        if self._quiet or self._drawing or not self.console.is_terminal or self.console.is_dumb_terminal:
            yield self._lines(title, total)
            return
        wide = self.console.width >= _WIDE
        self._drawing = True
        try:
            # Trainings may take many minutes each: the speed is that of all so far, not that of the last half minute.
            columns = _columns(self.console.width)
            with _View(*columns, console=self.console, transient=True, speed_estimate_period=1e9) as progress:
                task = progress.add_task(title, total=total, note="", below="")

                def advance(steps: int, note: str) -> None:
                    beside, _, below = note.partition("\n") if wide else ("", "", note.removeprefix("\n"))
                    progress.update(task, advance=steps, note=beside, below=below)

                yield advance
        finally:
            self._drawing = False

    def _lines(self, title: str, total: int) -> Advance:
        done = 0

        def advance(steps: int, note: str) -> None:
            nonlocal done
            done += steps
            note = note.partition("\n")[0]
            if done < total and time.monotonic() - self._spoke >= self._every:
                self.say(f"  {title}: {done:,} of {total:,}{note and f'; {note}'}")

        return advance


def _columns(width: int) -> Iterator[ProgressColumn]:
    """What stands in a row of a terminal so wide: where there is no room for all, the most important; none is cut."""
    whole = Column(no_wrap=True)
    yield TextColumn("  {task.description}", markup=False, table_column=Column(no_wrap=width >= 60))
    if width >= 60:
        yield BarColumn(bar_width=None, table_column=Column(max_width=16))
    yield MofNCompleteColumn(table_column=whole)
    if width >= 80:
        yield TimeElapsedColumn(table_column=whole)
    yield _Left(table_column=whole)
    if width >= _WIDE:
        yield TextColumn("{task.fields[note]}", markup=False)


@final
class _View(Progress):
    """A bar with the further lines of its note below it."""

    def get_renderables(self) -> Iterable[RenderableType]:
        """As rich asks for it."""
        yield from super().get_renderables()
        for task in self.tasks:
            if below := task.fields.get("below"):
                yield Text(wrapped(f"  {below}".replace("\n", "\n  "), self.console.width), style="dim")


@final
class _Left(ProgressColumn):
    """Time to the end of the bar; nothing while that is not known."""

    def render(self, task: Task) -> Text:
        """As rich asks for it."""
        left = task.time_remaining
        return Text("" if left is None or task.finished else f"{timedelta(seconds=math.ceil(left))} left")


class Count(Protocol):
    """Takes how much is done, of how much."""

    def __call__(self, done: int, total: int, note: str = "", /) -> None:
        """The note stands beside the bar."""


@contextmanager
def counting(reporter: Reporter, title: str) -> Iterator[Count]:
    """A bar for work that counts itself; it appears with the first count."""
    with ExitStack() as stack:
        advance: Advance | None = None
        before = 0

        def count(done: int, total: int, note: str = "", /) -> None:
            nonlocal advance, before
            advance = advance or stack.enter_context(reporter.bar(title, total))
            advance(done - before, note)
            before = done

        yield count
