"""When weights from outside arrive, and which cycles of the lanes they take."""

import numpy as np

from trispike_hw.architecture import Architecture
from trispike_hw.layout import Load, LoadKind

from ..fields import fields_of
from .timings import LoaderTimings


class Loader:
    """Works through the load list of one run beside the layers (weight_loader.py)."""

    def __init__(self, program: np.ndarray, start: int, arch: Architecture, timings: LoaderTimings) -> None:
        """The list stands at word `start` of `program`, the words of the program memory; 0: there is none."""
        self._program, self._at, self._timings, self._pairs = program, start, timings, arch.pairs
        self._over = start == 0
        self._listed = start != 0
        self._cycle = 0
        self._ready: list[tuple[int, int]] = []  # READY words: last layer that they let go, cycle
        self.pauses: list[list[tuple[int, int]]] = [[] for _ in range(arch.pairs)]

    def prepare(self, layer: int, ended: int) -> int:
        """Carry out what may come before the end of `layer`, which follows on the layers that ended in cycle `ended`;
        the cycle in which its weights are there."""
        while not self._over:
            word = fields_of(Load, int(self._program[self._at]))
            decoded = self._cycle + self._timings.decode
            match word["kind"]:
                case LoadKind.WAIT if word["count"] >= layer:
                    break
                case LoadKind.WAIT:
                    self._cycle = max(decoded, ended) + self._timings.wait
                case LoadKind.LOAD:
                    self._cycle = self._load(word, decoded)
                case LoadKind.READY:
                    self._ready.append((word["count"], decoded + self._timings.ready))
                    self._cycle = decoded
                case LoadKind.END:
                    self._over = True
            self._at += 1
        return min((cycle for last, cycle in self._ready if last >= layer), default=0)

    def _load(self, word: dict[str, int], decoded: int) -> int:
        """Ask for the rows of a list word; the cycle behind the last of them."""
        begin = decoded + self._timings.request + self._timings.memory
        end = begin + word["count"] * self._timings.row
        pause = self._timings.pause
        for pair in range(self._pairs) if word["every"] else (word["pair"],):
            self.pauses[pair].append((begin + pause, end + pause))
        return end
