"""How the network input becomes trains: its scales, and whether values are coded as they are or around their middle.

Pixels of 0..255 use one half of a signed code. Taken around their middle they use both, which is worth up to one more
digit, and the first layer sees earlier how large its sums become. What the offset took off, the bias of that layer
adds. Its padding is part of the input then, because a zero is no longer coded as a zero, and that is also what an
offset may cost: spikes where there were none.
"""

from dataclasses import dataclass, replace

import numpy as np

from ..golden import digits_of, encode, shifted
from ..network import INPUT, Mode
from .fuse import Plan
from .plan import LayerPlan, RealSegment
from .scales import input_scale

Padding = tuple[int, int, int, int]


@dataclass(frozen=True)
class CodedInput:
    """Calibration images as the machine gets them: `trains` int8 [N, T, C, H, W] and how they were made.

    `plan` holds the layers that compute on them, `scale` is lam [C], `offset` real [C] or None and `padding` as in
    `Network`; `clipped` is the share of values that were clipped.
    """

    plan: Plan
    scale: np.ndarray
    offset: np.ndarray | None
    padding: Padding
    trains: np.ndarray
    clipped: float

    @property
    def spikes(self) -> int:
        """Spikes of all images."""
        return int(np.count_nonzero(self.trains))


def plain_input(plan: Plan, images: np.ndarray, time_steps: int) -> CodedInput:
    """`images` [N, C, H, W] coded as they are."""
    return _coded(plan, images, time_steps, None, (0, 0, 0, 0))


def centred_input(plan: Plan, images: np.ndarray, time_steps: int) -> CodedInput | None:
    """`images` [N, C, H, W] coded around the middle of each channel's range; None where `plan` does not allow it.

    It does if all that read the input are whole sums, which are as well sums of the differences, with one padding.
    """
    readers = [(layer, s) for layer in plan.layers for s in layer.segments if s.source == INPUT]
    corners = {segment.padding for _, segment in readers}
    parts = any(layer.mode is Mode.PASS or layer.partial or s.narrow for layer, s in readers)
    if len(corners) != 1 or parts:
        return None
    (corner,) = corners
    padding = _padding(readers, corner, (images.shape[2], images.shape[3]))
    offset = (images.max(axis=(0, 2, 3)).astype(np.float64) + images.min(axis=(0, 2, 3))) / 2
    layers = tuple(_moved(layer, offset) for layer in plan.layers)
    return _coded(replace(plan, layers=layers), images, time_steps, offset, padding)


def _coded(plan: Plan, images: np.ndarray, time_steps: int, offset: np.ndarray | None, padding: Padding) -> CodedInput:
    values = shifted(images, offset, padding)
    scale = input_scale(values, time_steps, plan.shared_input_scale)
    integers, clipped = encode(values, scale, time_steps)
    return CodedInput(plan, scale, offset, padding, digits_of(integers, time_steps), clipped / integers.size)


def _padding(readers: list[tuple[LayerPlan, RealSegment]], corner: tuple[int, int], size: tuple[int, int]) -> Padding:
    """The zeros (top, left, bottom, right) around a map of `size` that windows beginning at -`corner` see."""
    behind = [0, 0]
    for layer, segment in readers:
        for axis in range(2):
            reach = (segment.weights.shape[axis - 2] - 1) * segment.dilation[axis] + 1
            end = (layer.neurons[1 + axis] - 1) * segment.stride[axis] + reach
            behind[axis] = max(behind[axis], end - corner[axis] - size[axis])
    return *corner, behind[0], behind[1]


def _moved(layer: LayerPlan, offset: np.ndarray) -> LayerPlan:
    """`layer` on an input without its own padding and less `offset` [C], whose charge its bias takes over."""
    bias, segments = layer.bias.astype(np.float64), []
    for segment in layer.segments:
        if segment.source != INPUT:
            segments.append(segment)
            continue
        charge = segment.weights * offset[:, None, None]  # the source channel is third from the end in both kinds
        bias = bias + charge.reshape(len(bias), -1).sum(axis=1)
        segments.append(replace(segment, padding=(0, 0)))
    return replace(layer, bias=bias, segments=tuple(segments))
