"""From a spiking network to a book: chapters for what one program cannot hold."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from trispike_hw.architecture import Architecture
from trispike_hw.layout import Sink

from ..book import Book, Chapter, Region, Span
from ..errors import PlacementError
from ..network import INPUT, Layer, Mode, Network
from ..program import Code
from ..progress import StageProgress, unwatched
from .code import Placed, code_of, place
from .cut import Cut, cuts
from .excerpt import Excerpt
from .excerpt import excerpt as excerpt_of
from .load_list import ExternalRows, weight_addresses
from .logits_parts import logits_parts, part_sizes
from .task import Shape, Task
from .tensors import ceil_div

TRIED = 24
"""Ways to cut a layer that are tried, the best by estimate first."""


def write_book(network: Network, arch: Architecture, progress: StageProgress = unwatched) -> Book:
    """`network` in chapters: runs of layers that fit on chip together, and single layers in boxes that do.

    `progress` counts the layers.

    Raises:
        Shortage: if not even a box of one tile and one pixel of some layer fits.
        PlacementError: if something else does not fit.
    """
    writer = _Writer(network, arch)
    number = 0
    while number < len(network.layers):
        progress("cutting layers into chapters", number, len(network.layers))
        count = writer.add_group(number)
        if not count:
            writer.add_layer(network.layers[number])
        number += count or 1
    return writer.book()


@dataclass(frozen=True)
class _Draft:
    """A chapter before it has words: its task, which fits, and what it reads and writes."""

    placed: Placed
    reads: dict[str, Region]
    exports: dict[str, Region]
    answer: Span | None


class _Writer:
    """The chapters so far. `_weights` says which weights stand where after the last one (None: not known)."""

    def __init__(self, network: Network, arch: Architecture) -> None:
        self._network, self._arch = network, arch
        self._external = ExternalRows()
        self._codes: list[Code] = []
        self._chapters: list[Chapter] = []
        self._weights: object = None
        shapes = {INPUT: network.coded_shape} | {layer.name: layer.shape for layer in network.layers}
        self._shape_of = shapes.__getitem__
        self._last_use = {
            segment.source: number for number, layer in enumerate(network.layers) for segment in layer.segments
        }

    def book(self) -> Book:
        """All chapters."""
        return Book(
            arch=self._arch,
            network=self._network,
            codes=tuple(self._codes),
            chapters=tuple(self._chapters),
            external=self._external.contents(self._arch.columns),
        )

    def add_group(self, number: int) -> int:
        """Add a chapter for as many whole layers from layer `number` on as fit together; return how many, 0 for one."""
        best: _Draft | None = None
        for stop in range(number + 2, len(self._network.layers) + 1):
            try:
                best = self._group(number, stop)
            except PlacementError:
                break
        if best is None:
            return 0
        self._add([best])
        return len(best.placed.task.layers)

    def add_layer(self, layer: Layer) -> None:
        """Add chapters for one layer, in boxes.

        Raises:
            PlacementError: if no way to cut it fits: why the last one did not.
        """
        refusal: PlacementError | None = None
        ways = self._logits_ways(layer) if layer.mode is Mode.LOGITS else self._ways(layer)
        for boxes, _ in zip(ways, range(TRIED), strict=False):
            try:
                drafts = self._boxes(boxes)
            except PlacementError as error:
                refusal = error
                continue
            self._add(drafts)
            return
        assert refusal is not None
        raise refusal

    def _group(self, start: int, stop: int) -> _Draft:
        """Layers start..stop-1 as one chapter."""
        layers = self._network.layers[start:stop]
        made = {layer.name for layer in layers}
        read = {segment.source for layer in layers for segment in layer.segments}
        reads = {name: Region.whole(name, self._shape_of(name)) for name in sorted(read - made)}
        wanted = [layer for layer in layers if self._last_use.get(layer.name, -1) >= stop]
        task = Task(
            self._network.name,
            self._network.time_steps,
            {name: region.shape for name, region in reads.items()},
            layers,
            {layer.name: Sink.BOTH if layer.name in read else Sink.EXPORT for layer in wanted},
        )
        exports = {layer.name: Region.whole(layer.name, layer.shape) for layer in wanted}
        answer = (0, layers[-1].shape[0]) if task.answers else None
        return _Draft(place(task, self._arch, resident=False), reads, exports, answer)

    def _ways(self, layer: Layer) -> Iterator[Iterable[Excerpt]]:
        """Ways to cut a layer; where none seems to fit, the smallest boxes, which tell what is missing."""
        found = cuts(layer, self._shape_of, self._network.time_steps, self._arch)
        for cut in found or [Cut(1, 1, 1)]:
            boxes = cut.boxes(layer.name, layer.shape, self._arch.columns)
            yield (excerpt_of(layer, box, self._shape_of) for box in boxes)

    def _logits_ways(self, layer: Layer) -> Iterator[Iterable[Excerpt]]:
        """Ways to part the last layer, the fewest parts first; where none seems to fit, the smallest parts."""
        columns = self._arch.columns
        tiles = min(ceil_div(layer.shape[0], columns), self._arch.constant_tiles)
        parts: list[Excerpt] = []
        found = False
        for channels, rows in part_sizes(layer, columns):
            for count in dict.fromkeys((tiles, ceil_div(tiles, 2), ceil_div(tiles, 4))):
                classes = list(Cut(count, 1, 1).boxes(layer.name, layer.shape, columns))
                parts = [part for box in classes for part in logits_parts(layer, box, self._shape_of, channels, rows)]
                if all(self._may_fit(part) for part in parts):
                    found = True
                    yield parts
        if not found:
            yield parts

    def _may_fit(self, box: Excerpt) -> bool:
        """Whether the sources of a box fit the spike memory, roughly."""
        words = sum(
            ceil_div(channels, self._arch.columns) * rows * columns
            for channels, rows, columns in (region.shape for region in box.reads.values())
        )
        return words * self._network.time_steps <= self._arch.spike_words

    def _boxes(self, boxes: Iterable[Excerpt]) -> list[_Draft]:
        """Chapters of the boxes of one layer; boxes that differ in their place alone share what is placed."""
        known: dict[object, Placed] = {}
        drafts = []
        for box in boxes:
            layer, answers = box.layer, box.layer.mode is Mode.LOGITS
            key = _looks(box)
            if key not in known:
                sinks = {} if answers else {layer.name: Sink.EXPORT}
                inputs: dict[str, Shape] = {name: region.shape for name, region in box.reads.items()}
                task = Task(self._network.name, self._network.time_steps, inputs, (layer,), sinks)
                known[key] = place(task, self._arch, resident=False)
            exports = {} if answers else {layer.name: box.output}
            drafts.append(_Draft(known[key], box.reads, exports, box.output.channels if answers else None))
        return drafts

    def _add(self, drafts: Sequence[_Draft]) -> None:
        codes: dict[int, int] = {}
        for draft in drafts:
            if id(draft.placed) not in codes:
                codes[id(draft.placed)] = len(self._codes)
                self._codes.append(code_of(draft.placed, self._external, self._arch))
            weights = self._weights_after(draft.placed)
            loads = weights is None or weights != self._weights
            self._weights = weights
            self._chapters.append(Chapter(codes[id(draft.placed)], draft.reads, draft.exports, draft.answer, loads))

    def _weights_after(self, placed: Placed) -> object:
        """Which weights stand where when the chapter is over; None if some have overwritten others."""
        if not placed.schedule.undisturbed:
            return None
        return tuple(
            (key, address, part.part.tiles, part.choice.tile_mode)
            for part in placed.schedule.parts
            for key, address in weight_addresses(part, self._arch).items()
        )


def _looks(box: Excerpt) -> object:
    """What boxes of one layer with one code have in common."""
    layer = box.layer
    segments = tuple(
        (segment.source, segment.padding, segment.kernel, segment.weights.ctypes.data, segment.weights.shape)
        for segment in layer.segments
    )
    shapes = tuple((name, region.shape) for name, region in box.reads.items())
    return layer.neurons, layer.shape, box.output.channels, segments, shapes, bool(layer.bias.any())
