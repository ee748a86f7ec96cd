"""Bit layouts of every word that host and hardware exchange, each written once.

The RTL reads fields of these layouts; the host packs words with the very same classes (`pack`). Program fields have
fixed widths, the same for all architectures; the hardware uses as many low bits as its memories need.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from amaranth.hdl import Shape, signed, unsigned
from amaranth.lib import data, enum

from .architecture import Architecture


class Mode(enum.Enum, shape=2):
    """What the TSA row does with a vector of synaptic sums."""

    RELU = 0  #: ternary neuron, negative spikes only after a positive one
    SIGNED = 1  #: ternary neuron without that condition
    PASS = 2  #: the digit is the sign of z: copies a train, for stand-alone max pooling
    LOGITS = 3  #: no spikes: V itself is added to the answer


class Sink(enum.Enum, shape=2):
    """Where a layer's output words go."""

    STORE = 0  #: to the spike memory
    BOTH = 1  #: to the spike memory and out
    EXPORT = 2  #: out alone, two words of the output stream each: address, spike word


class LayerShape(data.Struct):
    """First header word of a layer."""

    time_steps: 5  # T, 1..16
    silent: 5  # s, 0..T
    mode: Mode
    segments: 4  # 1..max_segments
    tile_mode: 1  # 0: any lane takes the next item; 1: lane l computes tile pass * lanes + l
    last_layer: 1  # the program ends after this layer
    last_columns: 5  # real output channels of the last tile, 1..columns
    window_x: 4  # loop level 0: convolution pixels of a pooling window, x (1 without pooling)
    window_y: 4  # loop level 1
    out_x: 12  # loop level 2: output pixels, x
    out_y: 12  # loop level 3
    sink: Sink
    reserved: 7


class LayerTiles(data.Struct):
    """Second header word: tiles and where their constants stand."""

    passes: 12  # loop level 4: tiles, or passes of `lanes` tiles in tile mode
    last_lanes: 7  # lanes that work in the last pass (tile mode)
    constants: 16  # tile number of the first tile's constants
    reserved: 29


class LayerOutput(data.Struct):
    """Third header word: where output words go."""

    address: 18  # word of pixel 0, tile 0, step 0
    plane: 18  # words from one step to the next
    step_x: 18  # change of the address when loop level 2 advances
    reserved: 10


class LayerOutputSteps(data.Struct):
    """Fourth header word: address changes of the outer loops."""

    step_y: 18  # when loop level 3 advances (level 2 restarting: from the last pixel of a row to the first of the next)
    step_tile: 18  # when loop level 4 advances (levels 2 and 3 restarting)
    reserved: 28


class SegmentSource(data.Struct):
    """First word of a segment: how its source is read."""

    plane: 18  # words from one step of the source to the next
    pitch: 18  # words from one kernel row to the next (dilation included)
    rows: 8  # kernel rows
    dilation: 4  # source rows from one kernel row to the next
    lanewise: 1  # 1: bit c of a word gates column c; 0: every bit is broadcast to all columns
    reserved: 15


class SegmentWindow(data.Struct):
    """Second word of a segment."""

    height: 10  # rows of the source
    bit_length: 18  # bits of one kernel row
    weight_pitch: 16  # weight rows from one kernel row to the next
    odd_offset: 16  # added to the weight row in lanes with an odd number (tile mode)
    reserved: 4


class SegmentRow(data.Struct):
    """Third word of a segment."""

    row_bits: 18  # bits of one source row
    span: 12  # (kernel rows - 1) * dilation: source rows from the first kernel row to the last
    repeats: 4  # weight rows that each word of a lanewise segment meets, 1..15; above 1 a kernel row is one word long
    rewind: 18  # words from the window's first kernel row to its last one, (rows - 1) * pitch
    reserved: 12


class Position(data.Struct):
    """Fourth word of a segment: where the first window starts. Words 5 to 9 hold, in the same layout, what is added
    when loop level 0, 1, 2, 3 or 4 advances (all inner levels restarting)."""

    row: 18  # word address of the window's first row at step 0 (modulo 2**18, so that padding may lie before it)
    y: signed(10)  # source row of the window's first kernel row
    bit: signed(18)  # first bit of the window in the source row
    weight: 16  # weight row of the window's first bit in its first kernel row


class LoadKind(enum.Enum, shape=2):
    """What a word of the load list says."""

    END = 0  #: the list is over
    LOAD = 1  #: bring rows from the external weight memory
    READY = 2  #: the weights of layers 0..count are there
    WAIT = 3  #: go on when layer `count` has ended


class Load(data.Struct):
    """A word of the load list, which the weight loader works through beside the layers."""

    source: 24  # first row in the external weight memory
    count: 16  # rows; layer number for READY and WAIT
    target: 16  # first row in the weight memory
    pair: 5  # lane pair that gets the rows
    every: 1  # 1: all lane pairs get them
    kind: LoadKind


class WeightRequest(data.Struct):
    """A burst on the external weight port: `count` rows from row `source` on."""

    source: 24
    count: 16


LOOP_LEVELS = 5
HEADER_WORDS = 4
SEGMENT_WORDS = 4 + LOOP_LEVELS
PROGRAM_BITS = 64
STREAM_BITS = 32


class Opcode(enum.Enum, shape=4):
    """Commands on the input stream. A command is three words: `Command`, address, count; then the payload."""

    WRITE = 1  #: write `count` elements from `address` on
    RUN = 2  #: run the program once; the answer follows on the output stream


class Target(enum.Enum, shape=4):
    """Memory that a WRITE fills. An element is one row of it, sent in 32-bit words, least significant first."""

    PROGRAM = 0
    CONSTANTS = 1
    WEIGHTS = 2  #: `index` of the command selects the lane pair
    SPIKES = 3


class Command(data.Struct):
    """First word of a command on the input stream."""

    opcode: Opcode
    target: Target
    index: 8
    reserved: 16


def spike_word(arch: Architecture) -> data.StructLayout:
    """One step of `columns` neighbouring channels at one pixel; bit c of both planes belongs to channel c."""
    return data.StructLayout({"pos": arch.columns, "neg": arch.columns})


def neuron_constants(arch: Architecture) -> data.StructLayout:
    """Constants of one TSA neuron (numerics: theta, phi less one and initial potential b)."""
    return _neuron(arch.threshold_bits, arch.bias_bits)


def constant_word(arch: Architecture) -> data.ArrayLayout:
    """One word of the constant memory: neurons k * constant_width .. (k + 1) * constant_width - 1 of a tile.

    It stands at tile * constant_passes + k.
    """
    return _neurons(arch.threshold_bits, arch.bias_bits, arch.constant_width)


def weight_row(arch: Architecture) -> data.ArrayLayout:
    """One row of a weight memory: the weight of one input bit for each column."""
    return data.ArrayLayout(signed(arch.weight_bits), arch.columns)


def slot(arch: Architecture) -> data.StructLayout:
    """One segment of one work item, as the dispatcher hands it to a lane: a window already clipped to the source.

    Addresses and weight rows are given as steps from one word to the next, so that a lane needs one adder for each, and
    counts so that their sign says when they are over. A window of which nothing lies inside the source is one word
    whose first valid bit is the uppermost and whose last valid bit the lowest.
    """
    return data.StructLayout(
        {
            "address": arch.spike_address_bits,  # first word, at step 0
            "next_row": arch.spike_address_bits,  # from the last word of a kernel row to the first one of the next row
            "next_step": arch.spike_address_bits,  # from the last word of the window to its first one a step later
            "more_rows": signed(9),  # kernel rows left after clipping, less two
            "more_words": signed(11),  # words of one kernel row, less two
            "first_bit": range(arch.columns),  # first valid bit of the first word
            "last_bit": range(arch.columns),  # last valid bit of the last word
            "weight": arch.weight_address_bits,  # weight row of bit 0 of the first word (modulo)
            "next_weights": arch.weight_address_bits,  # change of the weight row where `next_row` moves the address
            "lanewise": 1,
            "repeats": 4,  # events of a lanewise word, each with the next weight row
            "last": 1,  # last segment of the item
        }
    )


def pack(layout: Any, values: Mapping[str, Any] | Sequence[Any]) -> int:
    """`values`, integers, enumerations or again values of a layout, as the bits of `layout`; what is missing is 0.

    Raises:
        ValueError: if a field does not hold its value.
    """
    fields, packed = _fields(layout), 0
    for key, value in values.items() if isinstance(values, Mapping) else enumerate(values):
        offset, shape, low, high = fields[key]
        number = value.value if isinstance(value, enum.Enum) else value
        if isinstance(number, Mapping | Sequence):
            number = pack(shape, number)
        elif not low <= number <= high:
            raise ValueError(f"{key} must lie in {low}..{high}, not {value}")
        packed |= (int(number) & (high - low)) << offset
    return packed


def words(value: int, bits: int, word_bits: int = STREAM_BITS) -> list[int]:
    """`value` of `bits` bits as words of `word_bits`, least significant first."""
    count = -(-bits // word_bits)
    return [(value >> (word_bits * i)) & ((1 << word_bits) - 1) for i in range(count)]


def _neuron(threshold_bits: int, bias_bits: int) -> data.StructLayout:
    return data.StructLayout(
        {"theta": unsigned(threshold_bits), "below_phi": unsigned(threshold_bits), "bias": signed(bias_bits)}
    )


@cache  # one object for equal widths: layouts are compared field by field, which takes longer than packing
def _neurons(threshold_bits: int, bias_bits: int, count: int) -> data.ArrayLayout:
    return data.ArrayLayout(_neuron(threshold_bits, bias_bits), count)


@cache
def _fields(layout: Any) -> dict[Any, tuple[int, Any, int, int]]:
    """Of every field of a layout, by name or index: its offset, its shape, and the least and largest integer in it."""
    found = {}
    for key, field in data.Layout.cast(layout):
        shape = Shape.cast(field.shape)
        low = -(1 << shape.width - 1) if shape.signed else 0
        found[key] = (field.offset, field.shape, low, low + (1 << shape.width) - 1)
    return found
