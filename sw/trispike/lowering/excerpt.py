"""Boxes of a layer: a box of its output as a layer of its own, over the boxes of its sources that this needs."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from ..book import Region, Span
from ..network import Kind, Layer, Pool, Segment
from .task import Shape

ALONE = Pool((1, 1), (1, 1))


@dataclass(frozen=True)
class Excerpt:
    """A layer over `reads`, boxes of the sources by the names that the layer has for them, whose output is `output`."""

    layer: Layer
    reads: dict[str, Region]
    output: Region


def excerpt(layer: Layer, output: Region, shape_of: Callable[[str], Shape]) -> Excerpt:
    """The part of `layer` that computes the box `output`; `shape_of` tells the shapes of its sources.

    Outer edges keep their padding; at inner ones the sources' boxes reach as far as the windows do.
    """
    pool = layer.pool or ALONE
    spans = [_neurons(span, pool, axis) for axis, span in enumerate((output.rows, output.columns))]
    needed = [_needed(segment, spans, output.channels, shape_of(segment.source)) for segment in layer.segments]
    reads: dict[tuple[str, Span], Region] = {}
    for region in needed:
        key = region.tensor, region.channels
        reads[key] = _hull(reads[key], region) if key in reads else region
    names: dict[tuple[str, Span], str] = {}
    for tensor, channels in reads:
        others = sum(name == tensor for name, _ in names)
        names[tensor, channels] = f"{tensor}#{others}" if others else tensor
    segments = []
    for segment, region in zip(layer.segments, needed, strict=True):
        key = region.tensor, region.channels
        starts = [_first(segment, span, axis) for axis, span in enumerate(spans)]
        hull = reads[key]
        padding = hull.rows[0] - starts[0], hull.columns[0] - starts[1]
        weights = segment.weights[slice(*output.channels)]
        segments.append(replace(segment, source=names[key], weights=weights, padding=padding, first=0))
    channels = slice(*output.channels)
    sizes = [stop - start for start, stop in spans]
    own = replace(
        layer,
        segments=tuple(segments),
        neurons=(output.shape[0], sizes[0], sizes[1]),
        shape=output.shape,
        bias=layer.bias[channels],
        theta=layer.theta[channels],
        phi=layer.phi[channels],
        scale=layer.scale[channels],
        unit=layer.unit[channels],
    )
    return Excerpt(own, {names[key]: region for key, region in reads.items()}, output)


def _neurons(span: Span, pool: Pool, axis: int) -> Span:
    """The neurons behind a span of the output along one axis."""
    return span[0] * pool.stride[axis], (span[1] - 1) * pool.stride[axis] + pool.kernel[axis]


def _first(segment: Segment, span: Span, axis: int) -> int:
    """The first source position, maybe in the padding, that the first neuron of a span sees along one axis."""
    return span[0] * segment.stride[axis] - segment.padding[axis]


def _needed(segment: Segment, spans: list[Span], channels: Span, source: Shape) -> Region:
    """The box of the source that neurons in `spans` see; at least one pixel where they see padding alone."""
    boxes = []
    for axis, span in enumerate(spans):
        start = _first(segment, span, axis)
        reach = (segment.kernel[axis] - 1) * segment.dilation[axis] + 1
        stop = start + (span[1] - span[0] - 1) * segment.stride[axis] + reach
        low = min(max(start, 0), source[1 + axis] - 1)
        boxes.append((low, max(min(stop, source[1 + axis]), low + 1)))
    inputs = (segment.inputs.start, segment.inputs.stop) if segment.kind is Kind.BROADCAST else channels
    return Region(segment.source, inputs, boxes[0], boxes[1])


def _hull(one: Region, other: Region) -> Region:
    """The smallest box around two with the same channels."""
    rows, columns = (
        (min(a[0], b[0]), max(a[1], b[1])) for a, b in ((one.rows, other.rows), (one.columns, other.columns))
    )
    return replace(one, rows=rows, columns=columns)
