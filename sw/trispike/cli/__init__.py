"""The command line: `trispike VERB ...`, one module per verb.

Exit codes: 0 done, 1 an error that the message explains, 2 wrong usage, 3 an error inside trispike.
"""

import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps

import typer

from ..errors import TrispikeError
from . import (
    bitstream,
    compile,
    doctor,
    estimate,
    evaluate,
    flash,
    inspect,
    operators,
    registers,
    run,
    serve,
    simulate,
    synth,
    verilog,
)
from .console import State, say

app = typer.Typer(
    name="trispike",
    help="Trained networks as spiking networks in CSS coding, on FPGAs, without a multiplier.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _interruptible(command: Callable[..., None]) -> Callable[..., None]:
    """`command`, which Ctrl-C ends with a sentence instead of typer's single word."""

    @wraps(command)
    def interruptible(*arguments: object, **options: object) -> None:
        try:
            command(*arguments, **options)
        except KeyboardInterrupt as error:
            raise TrispikeError("interrupted before the end; no output was written") from error

    return interruptible


for verb in (
    compile, run, evaluate, estimate, simulate, serve, synth, bitstream, flash, verilog, registers, inspect, operators,
    doctor,
):  # fmt: skip
    app.command(name=verb.__name__.rpartition(".")[2])(_interruptible(verb.command))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line (`sys.argv` if `arguments` is None) and return its exit code."""
    state = State()
    try:
        with _ended_like_ctrl_c():
            app(args=arguments, prog_name="trispike", obj=state)
    except SystemExit as end:  # the way in which typer ends, well or badly
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except TrispikeError as error:
        _trace(state)
        say(f"error: {error}")
        return 1
    except Exception as error:
        _trace(state)
        again = "" if state.verbose else "; run again with -v"
        say(f"internal error: {type(error).__name__}: {error}{again}")
        return 3
    return 0


@contextmanager
def _ended_like_ctrl_c() -> Iterator[None]:
    """A terminal that closes and a polite kill do what Ctrl-C does: nothing half-written, nothing left running."""
    if threading.current_thread() is not threading.main_thread():  # no other one may say what signals do
        yield
        return
    names = ("SIGTERM", "SIGHUP")  # Windows has only the first
    endings = [getattr(signal, name) for name in names if hasattr(signal, name)]
    before = {ending: signal.signal(ending, signal.default_int_handler) for ending in endings}
    try:
        yield
    finally:
        for ending, handler in before.items():
            signal.signal(ending, handler)


def _trace(state: State) -> None:
    if state.verbose:
        traceback.print_exc(file=sys.stderr)
