"""The load list at work: brings rows from outside as early as the list allows."""

import numpy as np

from trispike_hw.architecture import Architecture
from trispike_hw.layout import Load, LoadKind

from ..errors import DeviceError
from ..fields import fields_of
from .lane import Lane


class Loader:
    """Works through the load list at word `start` of `program` (0: there is none) for one run."""

    def __init__(self, arch: Architecture, lane: Lane, program: np.ndarray, start: int, external: np.ndarray) -> None:
        self._arch, self._lane, self._program, self._external = arch, lane, program, external
        self._at = start
        self._listed = start != 0
        self._done = not self._listed
        self._number = 0  # list words that are done
        self._ready: list[tuple[int, int]] = []  # a READY's layer, and list words before it

    def prepare(self, layer: int) -> None:
        """Bring what may come before the end of `layer`, and let the lanes read what its READY vouches for.

        Raises:
            DeviceError: if the layer would wait for ever, or the list is broken.
        """
        self._advance(layer)
        if not self._listed:
            return
        vouched = [number for last, number in self._ready if last >= layer]
        if not vouched:
            raise DeviceError(f"layer {layer} would wait for its weights for ever; compile the network again")
        self._lane.newest = vouched[0]

    def finish(self, layers: int) -> None:
        """Come to the end of the list after all layers.

        Raises:
            DeviceError: if the list waits for a layer that does not exist.
        """
        self._advance(layers)
        if not self._done:
            raise DeviceError(
                f"the load list waits for layer {layers} or a later one, which does not exist; "
                f"compile the network again"
            )

    def _advance(self, ended: int) -> None:
        """Carry out list words up to the first WAIT for a layer that is not among the first `ended` ones."""
        while not self._done:
            if self._at >= len(self._program):
                raise DeviceError(f"the load list does not end before program word {self._at}; load the image again")
            word = fields_of(Load, int(self._program[self._at]))
            match word["kind"]:
                case LoadKind.WAIT if word["count"] >= ended:
                    return
                case LoadKind.LOAD:
                    self._load(word)
                case LoadKind.READY:
                    self._ready.append((word["count"], self._number))
                case LoadKind.END:
                    self._done = True
            self._at += 1
            self._number += 1

    def _load(self, word: dict[str, int]) -> None:
        source, count, target, pair = (word[key] for key in ("source", "count", "target", "pair"))
        arch = self._arch
        if not count or source + count > len(self._external) or target + count > arch.weight_rows or pair >= arch.pairs:
            raise DeviceError(
                f"a LOAD of {count} rows from external row {source} to row {target} of lane pair {pair} does not fit "
                f"{len(self._external)} external rows, {arch.weight_rows} weight rows and {arch.pairs} pairs"
            )
        pairs = slice(None) if word["every"] else slice(pair, pair + 1)
        self._lane.load_weights(pairs, target, self._external[source : source + count], self._number + 1)
