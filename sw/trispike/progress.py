"""How long work tells those who wait how far it is."""

from collections.abc import Callable

StageProgress = Callable[
    [str, int, int], None
]  #: called with what is being done, how many parts of it are, and of how many


def unwatched(work: str, done: int, total: int) -> None:
    """The progress of work that nobody watches."""
