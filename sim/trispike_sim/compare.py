"""Compares what the RTL stored, counted and answered with the golden model's trains, additions and integers."""

from collections.abc import Iterable, Iterator
from itertools import chain, islice

import numpy as np

from trispike.golden import Result
from trispike.program import Placement, Program
from trispike.streams import unpack_tensor

from .report import Mismatch

#: Mismatches that a report spells out, per image.
SHOWN = 5


def layer_numbers(program: Program) -> dict[str, list[int]]:
    """The numbers in the program that a layer has, one for each of its parts; by name, in the order of computation."""
    numbers: dict[str, list[int]] = {}
    for number, name in enumerate(program.layer_names):
        numbers.setdefault(name, []).append(number)
    return numbers


def compare(
    program: Program, stored: np.ndarray, integers: np.ndarray, additions: dict[str, int], golden: Result
) -> tuple[list[Mismatch], int]:
    """The first SHOWN mismatches of one image in the order of computation, and how many there are in all.

    `stored` uint32 [words, 4] holds layer number, address, pos and neg of the spike words that the RTL wrote, in order.
    `integers` int64 [classes] is its answer, `additions` what it counted, by layer name. `golden` is the golden model's
    run of that image alone, trains kept.
    """
    shown: list[Mismatch] = []
    count = 0

    def note(found: Iterable[Mismatch], more: int) -> None:
        nonlocal count
        shown.extend(islice(found, SHOWN - len(shown)))
        count += more

    last = program.layer_names[-1]
    storing = {name: numbers for name, numbers in layer_numbers(program).items() if name != last}
    for name, numbers in storing.items():
        words = stored[np.isin(stored[:, 0], numbers), 1:]
        note(*_compare_layer(program, name, words, golden.trains[name][0]))
        note(*_compare_additions(name, additions[name], golden))
    strays = stored[~np.isin(stored[:, 0], list(chain(*storing.values())))]
    strange = (f"one at address {word[1]} in layer number {word[0]}" for word in strays)
    note((Mismatch(last, "no spike word", found) for found in strange), len(strays))
    note(*_compare_additions(last, additions[last], golden))
    expected = golden.integers[0]
    wrong = np.flatnonzero(integers != expected).tolist()
    note((Mismatch(last, str(expected[c]), str(integers[c]), channel=c) for c in wrong), len(wrong))
    return shown, count


def _compare_additions(name: str, counted: int, golden: Result) -> tuple[list[Mismatch], int]:
    """The mismatch of a layer's additions, if there is one."""
    expected = int(golden.additions[name][0])
    found = [Mismatch(name, f"{expected} additions", f"{counted}")] if counted != expected else []
    return found, len(found)


def _compare_layer(
    program: Program, name: str, words: np.ndarray, expected: np.ndarray
) -> tuple[Iterator[Mismatch], int]:
    """Mismatches of one layer: spikes of its tensor, then words that do not belong there.

    `words` uint32 [n, 3] address, pos, neg; `expected` int8 [T, C, H, W].
    """
    arch, place = program.arch, program.placements[name]
    steps = program.network.time_steps
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

    def spell() -> Iterator[Mismatch]:
        for step, channel, y, x in wrong.tolist():
            at = step, channel, y, x
            found = _digit(bool(positive[at]), bool(negative[at])) if written[at] else "no word written"
            yield Mismatch(name, f"{expected[at]:+d}" if expected[at] else "0", found, step, y, x, channel)
        for stray in strays:
            yield Mismatch(name, "no word outside the tensor", f"one at address {address[stray]}")
        if repeated:
            yield Mismatch(name, "every word once", f"{repeated} words written again")

    return spell(), len(wrong) + len(strays) + repeated


def _addresses(place: Placement, steps: int, columns: int) -> np.ndarray:
    """Addresses of all words of a tensor."""
    per_row = -(-place.columns * place.channel_pitch // columns)
    planes = place.plane * np.arange(steps)[:, None, None]
    rows = place.pitch * np.arange(place.rows)[:, None]
    return (place.base + planes + rows + np.arange(per_row)).ravel()


def _digit(positive: bool, negative: bool) -> str:
    return {(0, 0): "0", (1, 0): "+1", (0, 1): "-1", (1, 1): "+1 and -1 at once"}[positive, negative]
