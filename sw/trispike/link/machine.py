"""A machine at the end of a line: loads programs, computes images, reads counters."""

import time
from collections.abc import Iterable

import numpy as np

from trispike_hw import registers
from trispike_hw.architecture import Architecture
from trispike_hw.link.frames import Kind
from trispike_hw.registers import Register

from ..errors import DeviceError
from ..external import external_words
from ..identity import IDENTITY, check_identity
from ..program import Program
from ..streams import decode_answer, input_stream, load_stream
from .line import Line
from .memory import provide
from .session import Session

#: Seconds without any sign of work after which a machine counts as stuck.
PATIENCE = 20.0

#: Seconds between two looks at a machine that is at work: short at first, then longer and longer.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.0005, 0.1


class LinkedMachine:
    """The machine of the device on `line`, reset. `session` counts what the line cost.

    Raises:
        DeviceError: by all methods if the line is cut, the device does not answer, or it refuses.
    """

    def __init__(self, line: Line) -> None:
        self._name = line.name
        self.session = Session(line)
        self.reset()

    def reset(self) -> None:
        """Stop whatever runs; the memories keep their contents."""
        self.session.exchange(Kind.RESET)

    def check(self, arch: Architecture) -> None:
        """Refuse a device that is none of ours, or of another architecture than `arch`."""
        check_identity(arch, self.read(IDENTITY), f"the device on {self._name}", "build its bitstream")

    def load(self, program: Program) -> None:
        """Fill the memories with `program`, the external one included if it streams weights in."""
        if program.external is not None and program.load_list:
            self.provide(program.external, program.arch)
        self.send(load_stream(program))

    def provide(self, rows: np.ndarray, arch: Architecture) -> None:
        """Have weight rows, int8 [rows, columns], in the external memory."""
        provide(self.session, self._name, external_words(rows, arch))

    def compute(self, program: Program, image: np.ndarray) -> np.ndarray:
        """The exact answer, int64 [classes], of the loaded `program` to an image, real [C, H, W]."""
        answer = self.feed(input_stream(program, image), program.network.classes)
        return decode_answer(program, answer)

    def feed(self, words: np.ndarray, count: int) -> np.ndarray:
        """Put words, uint32, that end with RUN on the input stream, and return the `count` words that come out."""
        self.send(words)
        output = self.receive(count)
        status = self.read([registers.STATUS])[registers.STATUS]
        if status & (registers.STATUS_CORRUPT | registers.STATUS_UNKNOWN_COMMAND):
            raise DeviceError(
                f"the device on {self._name} found a corrupt spike word or an unknown command, says its STATUS "
                f"{status:#x}; repeat the command"
            )
        return output

    def read(self, wanted: Iterable[Register]) -> dict[Register, int]:
        """Contents of registers, neighbours with one request."""
        values: dict[Register, int] = {}
        for run in _neighbours(wanted, self.session.payload_words):
            words = self.session.exchange(Kind.READ, [len(run), run[0].offset])
            if len(words) != len(run):
                raise DeviceError(f"the device on {self._name} shows {len(words)} of {len(run)} registers; reset it")
            values.update(zip(run, words.tolist(), strict=True))
        return values

    def send(self, words: np.ndarray) -> None:
        """Put `words` on the machine's input stream."""
        watch = _Watch(self)
        for start in range(0, len(words), self.session.payload_words):
            part = words[start : start + self.session.payload_words]
            while not self.session.exchange(Kind.SEND, part).any():
                watch.pause("takes no words")
            watch.restart()

    def receive(self, count: int) -> np.ndarray:
        """The next `count` words, uint32, of the machine's output stream."""
        watch = _Watch(self)
        parts: list[np.ndarray] = []
        while left := count - sum(map(len, parts)):
            part = self.session.exchange(Kind.RECEIVE, [left])
            if len(part):
                parts.append(part)
                watch.restart()
            else:
                watch.pause("gives no answer")
        return np.concatenate([np.zeros(0, np.uint32), *parts])


class _Watch:
    """Waits for a machine while it works, and gives up on it when it does not."""

    def __init__(self, machine: LinkedMachine) -> None:
        self._machine = machine
        self.restart()

    def restart(self) -> None:
        """There was progress."""
        self._pause = _FIRST_PAUSE
        self._since = time.monotonic()
        self._events = -1

    def pause(self, complaint: str) -> None:
        """Sleep a little; raise DeviceError if the machine has done nothing for PATIENCE seconds."""
        time.sleep(self._pause)
        if self._pause < _LONGEST_PAUSE:
            self._pause *= 2
            return
        events = self._machine.read([registers.EVENTS])[registers.EVENTS]
        if events != self._events:
            self._events, self._since = events, time.monotonic()
        elif time.monotonic() - self._since > PATIENCE:
            raise DeviceError(
                f"the device {complaint} and has done nothing for {PATIENCE:g} s; compile the image anew, and "
                f"reset the device"
            )


def _neighbours(wanted: Iterable[Register], most: int) -> list[list[Register]]:
    """The registers in runs of neighbouring offsets, no longer than `most`."""
    runs: list[list[Register]] = []
    for register in sorted(wanted, key=lambda register: register.offset):
        if runs and register.offset == runs[-1][-1].offset + 1 and len(runs[-1]) < most:
            runs[-1].append(register)
        else:
            runs.append([register])
    return runs
