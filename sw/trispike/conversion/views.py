"""Tensors of the float graph as spike trains hold them: parts of several layers' outputs, zeros around and between."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..network import Kind
from .plan import RealSegment


@dataclass(frozen=True)
class Part:
    """Some channels of a tensor: those numbered `channels` of the trains of `source`, or zeros where it is None.

    `of` is how many channels the source has; `padding` are the rows of zeros above and the columns of zeros left of the
    trains.
    """

    source: str | None
    channels: tuple[int, ...]
    of: int
    padding: tuple[int, int] = (0, 0)

    @property
    def is_whole(self) -> bool:
        """Whether it is all channels of its source in their order."""
        return self.source is not None and self.channels == tuple(range(self.of))


View = tuple[Part, ...]
"""A tensor: its parts one behind the other along the channels."""


def whole(source: str, channels: int) -> View:
    """All `channels` of the trains of `source`."""
    return (Part(source, tuple(range(channels)), channels),)


def padded(view: View, padding: tuple[int, int], channels: tuple[int, int]) -> View:
    """`view` with zeros above, left, before and behind."""
    parts = [replace(part, padding=_sum(part.padding, padding)) for part in view]
    before, behind = ([Part(None, tuple(range(count)), count)] if count else [] for count in channels)
    return (*before, *parts, *behind)


def selected(view: View, channels: Sequence[int]) -> View:
    """Some channels of `view`, by their numbers there, in any order."""
    places = [(part, number) for part in view for number in part.channels]
    parts: list[Part] = []
    for part, number in (places[channel] for channel in channels):
        if parts and replace(parts[-1], channels=part.channels) == part:
            parts[-1] = replace(part, channels=(*parts[-1].channels, number))
        else:
            parts.append(replace(part, channels=(number,)))
    return tuple(parts)


def dense(
    view: View, weights: np.ndarray, stride: tuple[int, int], padding: tuple[int, int], dilation: tuple[int, int]
) -> list[RealSegment]:
    """Segments with weights [O, I, KH, KW] over all channels of `view`, one for each source and place of it."""
    shares: dict[tuple[str, tuple[int, int]], np.ndarray] = {}
    first = 0
    for part in view:
        count = len(part.channels)
        if part.source is not None:
            empty = np.zeros((len(weights), part.of, *weights.shape[2:]))
            share = shares.setdefault((part.source, _sum(padding, part.padding)), empty)
            for number, channel in enumerate(part.channels, start=first):
                share[:, channel] += weights[:, number]
        first += count
    return [
        RealSegment(source, Kind.BROADCAST, share, stride, place, dilation) for (source, place), share in shares.items()
    ]


def channelwise(
    view: View,
    weights: np.ndarray,
    stride: tuple[int, int] = (1, 1),
    padding: tuple[int, int] = (0, 0),
    dilation: tuple[int, int] = (1, 1),
    splits: bool = False,
) -> list[RealSegment]:
    """Segments with weights [C, KH, KW] that take every channel of `view` to the same channel of the output.

    Over several parts they are broadcast segments with zeros, for a lane-wise one covers all channels of the output.
    """
    if len(view) == 1 and view[0].source is not None and view[0].is_whole:
        place = _sum(padding, view[0].padding)
        return [RealSegment(view[0].source, Kind.LANEWISE, weights, stride, place, dilation, splits)]
    channels = len(weights)
    diagonal = np.zeros((channels, channels, *weights.shape[1:]))
    diagonal[np.arange(channels), np.arange(channels)] = weights
    return [replace(segment, splits=splits) for segment in dense(view, diagonal, stride, padding, dilation)]


def identity(view: View) -> list[RealSegment]:
    """Segments that take `view` as it is."""
    return channelwise(view, np.ones((channels_of(view), 1, 1)), splits=True)


def channels_of(view: View) -> int:
    """How many channels the tensor has."""
    return sum(len(part.channels) for part in view)


def embedded(segments: Sequence[RealSegment], first: int, channels: int) -> list[RealSegment]:
    """`segments` as a part of more outputs: theirs begin at channel `first` of `channels`."""
    wider = []
    for segment in segments:
        weights = segment.weights
        count = len(weights)
        if segment.kind is Kind.LANEWISE:
            weights = np.zeros((count, count, *segment.weights.shape[1:]))
            weights[np.arange(count), np.arange(count)] = segment.weights
        rows = np.zeros((channels, *weights.shape[1:]))
        rows[first : first + count] = weights
        wider.append(replace(segment, kind=Kind.BROADCAST, weights=rows))
    return wider


def scaled(segments: Sequence[RealSegment], factor: np.ndarray) -> list[RealSegment]:
    """`segments` with the weights of output o times factor[o]."""
    return [replace(s, weights=s.weights * factor.reshape(-1, *[1] * (s.weights.ndim - 1))) for s in segments]


def _sum(a: tuple[int, int], b: tuple[int, int]) -> tuple[int, int]:
    return a[0] + b[0], a[1] + b[1]
