"""Program words as the emulator sees them: layers, segments and window positions, parsed by the hardware's layouts."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from trispike_hw.architecture import Architecture
from trispike_hw.layout import (
    HEADER_WORDS,
    LOOP_LEVELS,
    SEGMENT_WORDS,
    LayerOutput,
    LayerOutputSteps,
    LayerShape,
    LayerTiles,
    Position,
    SegmentRow,
    SegmentSource,
    SegmentWindow,
    constant_word,
)

from ..errors import DeviceError
from ..fields import fields_of, shapes_of, wrapped

Fields = dict[str, Any]

_SHAPES = list(shapes_of(Position).values())  # row, y, bit, weight
_ADDRESSES = shapes_of(LayerOutput)["address"]


@dataclass(frozen=True)
class SegmentWords:
    """Fields of a segment; `start` and `changes` (one per loop level) are positions (row, y, bit, weight)."""

    fields: Fields
    start: tuple[int, int, int, int]
    changes: tuple[tuple[int, int, int, int], ...]


@dataclass(frozen=True)
class LayerWords:
    """Fields of a layer's header, and its segments."""

    fields: Fields
    segments: tuple[SegmentWords, ...]

    @property
    def counts(self) -> tuple[int, int, int, int, int]:
        """Loop counts, innermost first."""
        fields = self.fields
        return fields["window_x"], fields["window_y"], fields["out_x"], fields["out_y"], fields["passes"]


@dataclass(frozen=True)
class Item:
    """One work item: loop counters, output address and the window position of every segment."""

    indices: tuple[int, ...]
    address: int
    positions: tuple[tuple[int, int, int, int], ...]


def parse_program(words: np.ndarray) -> list[LayerWords]:
    """The layers of a program up to the one that is marked last.

    Raises:
        DeviceError: if the words end before it.
    """
    layers: list[LayerWords] = []
    at = 0
    while True:
        header = _take(words, at, HEADER_WORDS)
        fields: Fields = {}
        for struct, word in zip((LayerShape, LayerTiles, LayerOutput, LayerOutputSteps), header, strict=True):
            fields |= fields_of(struct, word)
        at += HEADER_WORDS
        segments = []
        for _ in range(fields["segments"]):
            segments.append(_segment(_take(words, at, SEGMENT_WORDS)))
            at += SEGMENT_WORDS
        layers.append(LayerWords(fields, tuple(segments)))
        if fields["last_layer"]:
            return layers


def _take(words: np.ndarray, at: int, count: int) -> list[int]:
    if at + count > len(words):
        raise DeviceError(f"the program ends at word {len(words)} without a last layer; load the image again")
    return [int(word) for word in words[at : at + count]]


def _segment(words: list[int]) -> SegmentWords:
    fields: Fields = {}
    for struct, word in zip((SegmentSource, SegmentWindow, SegmentRow), words[:3], strict=True):
        fields |= fields_of(struct, word)
    start, *changes = (_position(word) for word in words[3:])
    return SegmentWords(fields, start, tuple(changes))


def _position(word: int) -> tuple[int, int, int, int]:
    fields = fields_of(Position, word)
    return fields["row"], fields["y"], fields["bit"], fields["weight"]


def constants_of(words: list[int], arch: Architecture) -> dict[str, np.ndarray]:
    """theta, phi and bias, int64 [tiles, C], of the words of a constant memory."""
    layout = constant_word(arch)
    neurons = [const[i] for const in map(layout.from_bits, words) for i in range(arch.constant_width)]
    theta, below_phi, bias = (
        np.array([getattr(neuron, name) for neuron in neurons], np.int64).reshape(-1, arch.columns)
        for name in ("theta", "below_phi", "bias")
    )
    return {"theta": theta, "phi": below_phi + 1, "bias": bias}


def items_of(layer: LayerWords) -> Iterator[Item]:
    """The work items of a layer in the order of the five nested loops."""
    counts = layer.counts
    address = layer.fields["address"]
    steps = (0, 0, layer.fields["step_x"], layer.fields["step_y"], layer.fields["step_tile"])
    positions = [segment.start for segment in layer.segments]
    indices = [0] * LOOP_LEVELS
    while True:
        yield Item(tuple(indices), address, tuple(positions))
        level = next((k for k in range(LOOP_LEVELS) if indices[k] + 1 < counts[k]), None)
        if level is None:
            return
        indices[:level] = [0] * level
        indices[level] += 1
        address = wrapped(address + steps[level], _ADDRESSES)
        positions = [
            _moved(position, segment.changes[level])
            for position, segment in zip(positions, layer.segments, strict=True)
        ]


def _moved(position: Sequence[int], change: Sequence[int]) -> tuple[int, int, int, int]:
    """position + change, every field modulo its width."""
    row, y, bit, weight = (wrapped(a + b, shape) for a, b, shape in zip(position, change, _SHAPES, strict=True))
    return row, y, bit, weight
