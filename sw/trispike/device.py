"""Devices: whatever takes a program and images and gives answers. The same host code drives all of them."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np

from .book import Book
from .book_run import BookRun
from .errors import DeviceError
from .golden import GoldenModel
from .inputs import checked_images
from .link.line import DEFAULT_BAUD, SerialLine
from .link.machine import LinkedMachine
from .network import Network
from .program import Program
from .simulation import simulate

Progress = Callable[[float, int], None]  #: called with the number of images done, parts included, and of all images


@dataclass(frozen=True)
class Answers:
    """Answers to N images: `integers` int64 [N, classes] exact, `logits` float32 [N, classes]."""

    integers: np.ndarray
    logits: np.ndarray

    @classmethod
    def of(cls, network: Network, integers: np.ndarray) -> "Answers":
        """The answers of `network` whose exact integers are `integers` (numerics section 4: logit = u * S / 2^T).

        A ReLU behind the last layer, which the converter only notes, is applied to the logits.
        """
        logits = integers * (network.layers[-1].unit / (1 << network.time_steps))
        if "output_relu" in network.notes:
            logits = np.clip(logits, 0, float(network.notes.get("output_upper", np.inf)))
        return cls(integers, logits.astype(np.float32))


class Device(Protocol):
    """Computes programs."""

    def run(self, program: Program | Book, x: np.ndarray, progress: Progress | None = None) -> Answers:
        """Answers to images `x`, real [N, C, H, W].

        Raises:
            InputError: if the network does not take `x`.
            DeviceError, ToolError: if the device fails.
        """
        ...


class GoldenDevice:
    """The golden model as a device."""

    def run(self, program: Program | Book, x: np.ndarray, progress: Progress | None = None) -> Answers:
        return Answers.of(program.network, GoldenModel(program.network).run(x, progress=progress).integers)


class RtlDevice:
    """The generated RTL in a simulator; `engine` is icarus, verilator or None for what is there."""

    def __init__(self, engine: str | None = None) -> None:
        self._engine = engine

    def run(self, program: Program | Book, x: np.ndarray, progress: Progress | None = None) -> Answers:
        report = simulate(program, x, engine=self._engine, stalls=False, progress=progress)
        if not report.bit_exact:
            raise DeviceError(f"the RTL does not compute what the golden model does; {report.explain()}")
        return Answers.of(program.network, report.integers)


class SerialDevice:
    """A board, or a simulated one (`trispike serve`), at the serial port `path` with `baud` bits a second."""

    def __init__(self, path: str, baud: int = DEFAULT_BAUD) -> None:
        self._path, self._baud = path, baud

    def run(self, program: Program | Book, x: np.ndarray, progress: Progress | None = None) -> Answers:
        x = checked_images(x, program.network.input_shape, f"images for {program.network.name}")
        with SerialLine(self._path, self._baud) as line:
            machine = LinkedMachine(line)
            machine.check(program.arch)
            compute = _loaded(machine, program)
            integers = np.empty((len(x), program.network.classes), np.int64)
            for number, image in enumerate(x):
                integers[number] = compute(image)
                if progress is not None:
                    progress(number + 1, len(x))
        return Answers.of(program.network, integers)


def _loaded(machine: LinkedMachine, program: Program | Book) -> Callable[[np.ndarray], np.ndarray]:
    """Load `machine`; what then computes the integers of an image."""
    if isinstance(program, Book):
        machine.provide(program.external, program.arch)
        return BookRun(program, machine.feed).integers
    machine.load(program)
    return partial(machine.compute, program)


_SERIAL = "serial:"
DEVICES = ("golden", "rtl", f"{_SERIAL}PORT")


def is_device(name: str) -> bool:
    """Whether `open_device` knows the name."""
    return name in DEVICES[:2] or (name.startswith(_SERIAL) and name != _SERIAL)


def open_device(name: str, *, engine: str | None = None, baud: int = DEFAULT_BAUD) -> Device:
    """The device `name`, one of DEVICES with a port for PORT; nothing is opened before it runs.

    `engine` chooses the simulator of rtl, `baud` the rate of a serial port.

    Raises:
        DeviceError: if there is no such device.
    """
    if not is_device(name):
        raise DeviceError(f"there is no device {name!r}; choose one of {', '.join(DEVICES)}")
    match name:
        case "golden":
            return GoldenDevice()
        case "rtl":
            return RtlDevice(engine)
        case _:
            return SerialDevice(name.removeprefix(_SERIAL), baud)
