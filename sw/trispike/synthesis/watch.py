"""Runs programs that may never end, and stops those that say nothing any more, with all that they started."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from ..errors import ToolError

PATIENCE = 600.0
"""Seconds without a message after which a program counts as stuck: nextpnr's static placer looks for ever for a place
for a chain of cells (`legalise_placement_strict`) where a full device has none left."""

_GLANCE = 0.2
"""Seconds between two looks at the messages."""


class StuckError(ToolError):
    """A program says nothing any more."""


def run_watched(
    command: Sequence[str],
    directory: Path,
    output: Path,
    logs: Callable[[], Iterable[Path]],
    variables: Mapping[str, str] | None = None,
) -> tuple[int, bool]:
    """Run `command` in `directory`, its messages going to the file `output`; its exit code, and whether it got stuck.

    It is stuck, and then stopped, when none of `logs`, the files that messages go to, has grown for PATIENCE seconds.
    However this function ends, nothing that the command started goes on.
    """
    with output.open("wb") as messages:
        process = subprocess.Popen(
            command, cwd=directory, env=os.environ | dict(variables or {}), stdout=messages, stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip
        try:
            heard = _heard_to_the_end(process, logs)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    return process.returncode, not heard


def _heard_to_the_end(process: subprocess.Popen, logs: Callable[[], Iterable[Path]]) -> bool:
    """Wait for the program; False, at once, when there has been no message for PATIENCE seconds."""
    said, since = -1, time.monotonic()
    while process.poll() is None:
        time.sleep(_GLANCE)
        length = sum(path.stat().st_size for path in logs() if path.exists())
        if length != said:
            said, since = length, time.monotonic()
        elif time.monotonic() - since > PATIENCE:
            return False
    return True
