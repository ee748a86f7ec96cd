"""Program words: header and segments of a layer, packed through the layouts that the hardware reads."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trispike_hw.layout import (
    LOOP_LEVELS,
    LayerOutput,
    LayerOutputSteps,
    LayerShape,
    LayerTiles,
    Position,
    SegmentRow,
    SegmentSource,
    SegmentWindow,
    pack,
)

from ..errors import PlacementError
from ..fields import shapes_of, wrapped
from .loops import MachineSegment, Move

WINDOW_WORDS = 1023
"""Words of one clipped kernel row that a lane counts to (`layout.slot`)."""


@dataclass(frozen=True)
class WeightAddress:
    """Where a segment's rows stand: first row, rows from one tile (or pass) to the next, offset of odd lanes."""

    base: int
    tile_rows: int
    odd_offset: int


def changes(steps: Sequence[int], counts: Sequence[int]) -> list[int]:
    """Per loop level the change when it advances by its step and all inner levels go back to their start."""
    return [
        step - sum((counts[inner] - 1) * steps[inner] for inner in range(level)) for level, step in enumerate(steps)
    ]


def header_words(layer: str, fields: Mapping[str, Any]) -> list[int]:
    """The four header words of a layer; `fields` holds every field of the four layouts but `reserved`, addresses
    modulo their width.

    Raises:
        PlacementError: naming the layer and the field that is too narrow.
    """
    structs = (LayerShape, LayerTiles, LayerOutput, LayerOutputSteps)
    return [
        _pack(layer, struct, {key: fields[key] for key in shapes_of(struct) if key != "reserved"}) for struct in structs
    ]


def segment_words(
    layer: str,
    segment: MachineSegment,
    counts: tuple[int, int, int, int],
    passes: int,
    weight: WeightAddress,
    first_tile: int = 0,
) -> list[int]:
    """The nine words of a segment whose weights stand at `weight`; `counts` and `passes` are the loops of the layer or
    of its part from tile `first_tile` on.

    Raises:
        PlacementError: naming the layer and the field that is too narrow.
    """
    place = segment.source
    steps = [*segment.steps, Move(bit=segment.tile_bits, weight=weight.tile_rows)]
    loops = [*counts, passes]
    start = Move(segment.start.y, segment.start.bit + first_tile * segment.tile_bits, weight.base)
    _check_reach(layer, segment, start, steps, loops)
    source = {
        "plane": place.plane,
        "pitch": place.pitch * segment.dilation,
        "rows": segment.kernel_rows,
        "dilation": segment.dilation,
        "lanewise": int(segment.lanewise),
    }
    window = {
        "height": place.rows,
        "bit_length": segment.bit_length,
        "weight_pitch": segment.weight_pitch,
        "odd_offset": weight.odd_offset,
    }
    row = {
        "row_bits": place.columns * place.channel_pitch,
        "span": (segment.kernel_rows - 1) * segment.dilation,
        "repeats": segment.repeats,
        "rewind": wrapped((segment.kernel_rows - 1) * source["pitch"], shapes_of(SegmentRow)["rewind"]),
    }
    moves = zip(
        changes([step.y for step in steps], loops),
        changes([step.bit for step in steps], loops),
        changes([step.weight for step in steps], loops),
        strict=True,
    )
    return [
        _pack(layer, SegmentSource, source),
        _pack(layer, SegmentWindow, window),
        _pack(layer, SegmentRow, row),
        _position(layer, start, place.base + start.y * place.pitch),
        *(_position(layer, Move(y, bit, rows), y * place.pitch) for y, bit, rows in moves),
    ]


def _check_reach(layer: str, segment: MachineSegment, start: Move, steps: Sequence[Move], loops: Sequence[int]) -> None:
    """Positions are kept modulo the width of their field, so every window's own position has to lie in its range."""
    for key in ("y", "bit"):
        shape = shapes_of(Position)[key]
        low, high = -(1 << shape.width - 1), (1 << shape.width - 1) - 1
        first = getattr(start, key)
        last = first + sum(getattr(steps[level], key) * (loops[level] - 1) for level in range(LOOP_LEVELS))
        if not low <= first <= last <= high:
            wrong = first if first < low else last
            raise PlacementError(
                f"layer {layer}: {key} of a window must lie in {low}..{high}, not {wrong}; make the feature map smaller"
            )
    place = segment.source
    columns = segment.block.values.shape[-1]
    words = min(place.pitch, segment.bit_length // columns + 2)
    if words > WINDOW_WORDS:
        raise PlacementError(
            f"layer {layer}: a kernel row must have at most {WINDOW_WORDS} spike words, not {words}; make it smaller"
        )


def _position(layer: str, move: Move, row: int) -> int:
    """A position or change, every field modulo its width."""
    fields = {"row": row, "y": move.y, "bit": move.bit, "weight": move.weight}
    return _pack(layer, Position, {key: wrapped(value, shapes_of(Position)[key]) for key, value in fields.items()})


def _pack(layer: str, struct: Any, fields: Mapping[str, Any]) -> int:
    try:
        return pack(struct, fields)
    except ValueError as error:
        raise PlacementError(
            f"layer {layer}: {error}, which the program words cannot express; make it smaller"
        ) from error
