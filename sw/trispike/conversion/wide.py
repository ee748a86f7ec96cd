"""Layers whose tiles need more weight rows than an architecture has: chains of layers that add up part by part.

A part without activation sums some of the synapses and the part before it; the last one ends what the layer began. Only
layers that would not fit are parted. The last layer of a network is left alone: its answers can be added up exactly.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from math import prod

import numpy as np

from trispike_hw.architecture import Architecture

from ..float_reference import evaluate
from ..graph import Conv
from ..network import Kind, Mode
from .fuse import Plan
from .plan import LayerPlan, RealSegment


def parted(plan: Plan, arch: Architecture) -> Plan:
    """`plan` with chains in the place of layers that `arch` could not hold."""
    layers = [part for layer in plan.layers for part in _parts(layer, arch)]
    return replace(plan, layers=tuple(layers))


def partial_sums(part: LayerPlan, tensors: Mapping[str, np.ndarray]) -> np.ndarray:
    """What `part` of a chain computes in real numbers, float32 [N, C, H, W], from `tensors` [N, C, H, W] by name."""
    total = np.zeros(0, np.float32)
    for segment in part.segments:
        sums = _real_sums(segment, tensors[segment.source][:, segment.inputs], part.neurons)
        total = total + sums if total.size else sums
    return total


def _parts(layer: LayerPlan, arch: Architecture) -> list[LayerPlan]:
    if layer.mode not in (Mode.RELU, Mode.SIGNED) or sum(map(_rows, layer.segments)) <= arch.weight_rows:
        return [layer]
    groups = list(_groups(layer, arch))
    ending = [segment for segment in layer.segments if segment.kind is Kind.LANEWISE]
    if _machine_segments([*groups[-1], *ending]) >= arch.max_segments:
        groups.append([])
    made: list[LayerPlan] = []
    before: list[RealSegment] = []
    for number, group in enumerate(groups, 1):
        if number == len(groups):
            made.append(replace(layer, segments=(*group, *ending, *before)))
            break
        name = f"{layer.name}/part{number}"
        made.append(
            LayerPlan(
                name, name, (*group, *before), layer.neurons, layer.neurons, Mode.SIGNED, np.zeros(layer.neurons[0]),
                partial=True,
            )
        )  # fmt: skip
        copied = np.ones((layer.neurons[0], 1, 1))
        before = [RealSegment(name, Kind.LANEWISE, copied, splits=True)]
    return made


def _rows(segment: RealSegment) -> int:
    """Weight rows of a tile: kernel rows that are all alike are stored once."""
    shared = bool((segment.weights == segment.weights[..., :1, :]).all())
    return prod(segment.weights.shape[1:]) // (segment.kernel[0] if shared else 1)


def _machine_segments(segments: Sequence[RealSegment]) -> int:
    return sum(segment.machine_segments for segment in segments)


def _groups(layer: LayerPlan, arch: Architecture) -> Iterator[list[RealSegment]]:
    """The synapses that are not lane-wise, in groups that fit together with copies of other tensors."""
    room = arch.weight_rows - arch.max_segments
    # A part for one pixel runs as fast as its weights come: two of them should find room.
    wanted = room if prod(layer.neurons[1:]) > 1 else arch.weight_rows // 2 - arch.max_segments
    group: list[RealSegment] = []
    for segment in layer.segments:
        if segment.kind is Kind.LANEWISE:
            continue
        for piece in _pieces(segment, wanted, room, arch.columns):
            full = sum(map(_rows, [*group, piece])) > wanted or _machine_segments([*group, piece]) >= arch.max_segments
            if group and full:
                yield group
                group = []
            group.append(piece)
    yield group


def _pieces(segment: RealSegment, wanted: int, room: int, columns: int) -> Iterator[RealSegment]:
    """A segment over whole words of channels at a time, with at most `wanted` weight rows, or `room` if that is too
    little; where even one word has more, over kernel rows, and then over single channels."""
    if _rows(segment) <= room:
        yield segment
        return
    taps, row = prod(segment.kernel), segment.kernel[1]
    for budget in (wanted, room):
        if columns * taps <= budget:
            yield from _channels(segment, budget // taps // columns * columns, columns)
            return
    size = max(1, min(columns, room // row))
    for piece in _channels(segment, size, size):
        for first in range(0, segment.kernel[0], max(1, room // (row * size))):
            weights = piece.weights[:, :, first : first + max(1, room // (row * size))]
            padding = piece.padding[0] - first * piece.dilation[0], piece.padding[1]
            yield replace(piece, weights=weights, padding=padding)


def _channels(segment: RealSegment, most: int, step: int) -> Iterator[RealSegment]:
    """A segment over about equally many channels at a time, at most `most`, a multiple of `step`."""
    inputs = segment.weights.shape[1]
    count = -(-inputs // most)
    size = -(-inputs // (count * step)) * step
    for first in range(0, inputs, size):
        weights = segment.weights[:, first : first + size]
        yield replace(segment, weights=weights, first=segment.first + first, narrow=size < inputs)


def _real_sums(segment: RealSegment, source: np.ndarray, neurons: tuple[int, int, int]) -> np.ndarray:
    """Sums of one segment, float32 [N, C, H, W], over the channels [N, I, H', W'] of its source that it reads."""
    padding, cropped = [], source
    for axis in range(2):
        before = segment.padding[axis]
        if before < 0:
            cropped = cropped[:, :, -before:] if axis == 0 else cropped[..., -before:]
            before = 0
        reach = (neurons[1 + axis] - 1) * segment.stride[axis] + (segment.kernel[axis] - 1) * segment.dilation[axis] + 1
        padding.append((before, max(0, reach - before - cropped.shape[2 + axis])))
        kept = reach - before
        cropped = cropped[:, :, :kept] if axis == 0 else cropped[..., :kept]
    (top, bottom), (left, right) = padding
    lanewise = segment.kind is Kind.LANEWISE
    weights = (segment.weights[:, None] if lanewise else segment.weights).astype(np.float32)
    node = Conv(
        "sums", (segment.source,), neurons, weights, np.zeros(neurons[0], np.float32), segment.stride,
        (top, left, bottom, right), segment.dilation, neurons[0] if lanewise else 1,
    )  # fmt: skip
    return evaluate(node, [cropped])
