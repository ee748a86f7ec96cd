"""What the verbs share of talking to people: notes and progress on stderr, tables and JSON on stdout."""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

Report = Callable[[float, int], None]  #: called with the number of images done, parts included, and of all images
StageReport = Callable[[str, float, int], None]  #: called with what is being done, too


@dataclass
class State:
    """Options that hold for any verb."""

    verbose: bool = False


def say(text: str) -> None:
    """One line on stderr, never wrapped or coloured: scripts read it."""
    print(text, file=sys.stderr)


def show(text: str) -> None:
    """One line on stdout, at once: a script may wait for it while the verb goes on."""
    print(text, flush=True)


def show_json(value: Any) -> None:
    """`value` as one JSON document on stdout."""
    print(json.dumps(value, indent=2))


def show_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], *, numbers: bool = True) -> None:
    """A table on stdout; behind the first column stand `numbers`, set to the right, or text."""
    table = Table(title=title, title_justify="left")
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number and numbers else "left")
    for row in rows:
        table.add_row(*(str(cell) for cell in row))
    # Without a terminal there is no width to fit into: let no cell be cut off.
    Console(width=None if sys.stdout.isatty() else 200, markup=False).print(table)


@contextmanager
def progress(task: str) -> Iterator[Report]:
    """A progress bar on stderr while the block runs; nothing if stderr is no terminal."""
    with stages() as report:
        yield lambda done, total: report(task, done, total)


@contextmanager
def stages() -> Iterator[StageReport]:
    """A progress bar on stderr for work in several stages, which begins anew with every stage."""
    console = Console(stderr=True)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with bar:
        handle = bar.add_task("", total=None)
        yield lambda stage, done, total: bar.update(handle, description=stage, completed=done, total=total)
