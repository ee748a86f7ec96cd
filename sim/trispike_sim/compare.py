"""Compares what the RTL stored, sent and answered with the golden model's trains and integers."""

from collections.abc import Iterable, Iterator
from itertools import chain, islice

import numpy as np

from trispike.book import Region
from trispike.program import Code, Placement
from trispike.streams import unpack_tensor
from trispike_hw.architecture import Architecture

from .report import Mismatch
from .runs import Run

#: Mismatches that a report spells out, per image.
SHOWN = 5


def layer_numbers(code: Code) -> dict[str, list[int]]:
    """The numbers in the program that a layer has, one for each of its parts; by name, in the order of computation."""
    numbers: dict[str, list[int]] = {}
    for number, name in enumerate(code.layer_names):
        numbers.setdefault(name, []).append(number)
    return numbers


class Comparison:
    """Collects the mismatches of one image in the order of computation: the first SHOWN, and how many there are.

    `trains` holds the golden model's trains int8 [T, C, H, W] by tensor name.
    """

    def __init__(self, arch: Architecture, trains: dict[str, np.ndarray]) -> None:
        self._arch = arch
        self._trains = trains
        self.shown: list[Mismatch] = []
        self.count = 0

    def run(self, run: Run, stored: np.ndarray, sent: np.ndarray) -> None:
        """Compare the spike words of a run.

        `stored` uint32 [words, 4] holds layer number, address, pos and neg of those that left the rows, in order,
        `sent` uint32 [words, 2] address and word of those on the output stream.
        """
        numbers = layer_numbers(run.code)
        for name, box in run.boxes.items():
            words = stored[np.isin(stored[:, 0], numbers[name]), 1:]
            expected = self._trains[box.tensor][:, *box.index]
            self._note(*_compare_layer(self._arch, run.code.placements[name], box, words, expected))
        strays = stored[~np.isin(stored[:, 0], list(chain(*(numbers[name] for name in run.boxes))))]
        last = run.code.layer_names[-1]
        strange = (f"one at address {word[1]} in layer number {word[0]}" for word in strays)
        self._note((Mismatch(last, "no spike word", found) for found in strange), len(strays))
        left = stored[np.isin(stored[:, 0], list(chain(*(numbers[name] for name in run.exports))))]
        wanted = np.stack([left[:, 1], left[:, 2] | left[:, 3] << self._arch.columns], axis=1)
        if not np.array_equal(wanted, sent):
            expected = "the words of its layers on the output stream"
            self._note([Mismatch(last, expected, "others")], 1)

    def answer(self, name: str, integers: np.ndarray, expected: np.ndarray) -> None:
        """Compare the integers, int64 [classes], of the last layer."""
        wrong = np.flatnonzero(integers != expected).tolist()
        self._note((Mismatch(name, str(expected[c]), str(integers[c]), channel=c) for c in wrong), len(wrong))

    def status(self, corrupt: bool) -> None:
        """Note a corrupt spike word that a run saw."""
        if corrupt:
            self._note([Mismatch("(any)", "no corrupt spike word", "one, says STATUS")], 1)

    def _note(self, found: Iterable[Mismatch], more: int) -> None:
        self.shown.extend(islice(found, SHOWN - len(self.shown)))
        self.count += more


def _compare_layer(
    arch: Architecture, place: Placement, box: Region, words: np.ndarray, expected: np.ndarray
) -> tuple[Iterator[Mismatch], int]:
    """Mismatches of a layer's box: spikes, then words that do not belong there.

    `words` uint32 [n, 3] address, pos, neg; `expected` int8 [T, C, H, W].
    """
    name, steps = box.tensor, len(expected)
    address, pos, neg = words.astype(np.uint32).T
    own = np.isin(address, _addresses(place, steps, arch.columns))

    def digits(plane: np.ndarray) -> np.ndarray:
        """A bit plane of the words as digits [T, C, H, W]; alone it can never be corrupt."""
        memory = np.zeros(max(arch.spike_words, place.base + steps * place.plane), np.uint32)
        memory[address[own]] = plane[own]
        return unpack_tensor(place, expected.shape[1:], memory, steps, arch.columns) != 0

    positive, negative = digits(pos), digits(neg)
    written = digits(np.full_like(pos, (1 << arch.columns) - 1))
    wrong = np.argwhere((positive != (expected == 1)) | (negative != (expected == -1)) | ~written)
    strays = np.flatnonzero(~own)
    repeated = len(address[own]) - len(np.unique(address[own]))
    starts = box.channels[0], box.rows[0], box.columns[0]

    def spell() -> Iterator[Mismatch]:
        for step, *at in wrong.tolist():
            here = step, *at
            found = _digit(bool(positive[here]), bool(negative[here])) if written[here] else "no word written"
            channel, y, x = (start + offset for start, offset in zip(starts, at, strict=True))
            yield Mismatch(name, f"{expected[here]:+d}" if expected[here] else "0", found, step, y, x, channel)
        for stray in strays:
            yield Mismatch(name, "no word outside the tensor", f"one at address {address[stray]}")
        if repeated:
            yield Mismatch(name, "every word once", f"{repeated} words written again")

    return spell(), len(wrong) + len(strays) + repeated


def _addresses(place: Placement, steps: int, columns: int) -> np.ndarray:
    """Addresses of all words of a tensor."""
    planes = place.plane * np.arange(steps)[:, None, None]
    rows = place.pitch * np.arange(place.rows)[:, None]
    return (place.base + planes + rows + np.arange(place.row_words(columns))).ravel()


def _digit(positive: bool, negative: bool) -> str:
    return {(0, 0): "0", (1, 0): "+1", (0, 1): "-1", (1, 1): "+1 and -1 at once"}[positive, negative]
