"""Devices: whatever takes a program and images and gives answers. The same host code drives all of them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from .book import Book
from .errors import DeviceError
from .golden import GoldenModel
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


DEVICES = ("golden", "rtl")


def open_device(name: str, *, engine: str | None = None) -> Device:
    """The device `name`, one of DEVICES; `engine` chooses the simulator of rtl.

    Raises:
        DeviceError: if there is no such device.
    """
    match name:
        case "golden":
            return GoldenDevice()
        case "rtl":
            return RtlDevice(engine)
        case _:
            raise DeviceError(f"there is no device {name!r}; choose one of {', '.join(DEVICES)}")
