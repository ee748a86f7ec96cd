"""Layouts of what meets at the south edge of the array: contexts, updates, spike words, parts of the answer."""

from amaranth.hdl import Shape, signed, unsigned
from amaranth.lib import data

from .architecture import Architecture
from .layout import Mode

ANSWER_TILES = 64


def answer_tiles(arch: Architecture) -> int:
    """Tiles of classes that the machine keeps an answer for: half as many as have constants, 64 at most."""
    return min(arch.constant_tiles // 2, ANSWER_TILES)


def item_context(arch: Architecture) -> data.StructLayout:
    """What the TSA row must know about a work item besides its sums."""
    return data.StructLayout(
        {
            "address": arch.spike_address_bits,  # output word at digit 0; in mode LOGITS the tile of the answer
            "constants": Shape.cast(range(arch.constant_tiles)),  # tile number in the constant memory
            "use_bias": 1,  # mode LOGITS only: V starts at the bias, else at 0; other modes always start at the bias
            "first": 1,  # first item of a pooling window
            "last": 1,  # last item of a pooling window; both are 1 without pooling
        }
    )


def assignment(arch: Architecture) -> data.StructLayout:
    """The context of an item, and the lane of the cluster that works on the item."""
    return data.StructLayout(
        {
            "lane": range(max(2, arch.cluster_lanes)),  # Verilog has no signal without bits
            "context": item_context(arch),
        }
    )


def layer_config(arch: Architecture) -> data.StructLayout:
    """What all items of a layer have in common; it stands still while the row is not idle."""
    return data.StructLayout(
        {
            "time_steps": 5,  # T, 1..16
            "silent": 5,  # s, 0..T; ignored in mode LOGITS, 0 in mode PASS
            "mode": Mode,
            "plane": arch.spike_address_bits,  # words from one digit of the output to the next
        }
    )


def sums(arch: Architecture) -> data.ArrayLayout:
    """The vector z[t] of one lane; a lane alone hands it over in parts, those of one update each."""
    return data.ArrayLayout(signed(arch.accumulator_bits), arch.tsa_width if arch.lone_lane else arch.columns)


def update(arch: Architecture) -> data.StructLayout:
    """Order to update neurons q * tsa_width .. (q + 1) * tsa_width - 1 of one lane by one step."""
    return data.StructLayout(
        {
            "lane": range(max(2, arch.cluster_lanes)),  # Verilog has no signal without bits
            "q": max(1, arch.pass_bits),  # Verilog has no signal without bits
            "digit": range(arch.max_time_steps),  # number of the output digit, if `fires`
            "start": 1,  # step 0: V starts anew
            "sums": arch.cluster_lanes,  # in a step below T the lane's sums are integrated: its bit, else none
            "fires": 1,  # a step from s on: a digit is put out
            "end": 1,  # last step of the item
            "context": item_context(arch),
        }
    )


def digit_word(arch: Architecture) -> data.StructLayout:
    """One digit of all channels of an item, with what pooling must know about it."""
    return data.StructLayout(
        {
            "lane": range(max(2, arch.cluster_lanes)),  # Verilog has no signal without bits
            "digit": range(arch.max_time_steps),
            "address": arch.spike_address_bits,  # where digit 0 of the item goes
            "first": 1,
            "last": 1,
            "end": 1,  # last digit of the item
            "pos": arch.columns,
            "neg": arch.columns,
        }
    )


def output_word(arch: Architecture) -> data.StructLayout:
    """One word on its way to the spike memory."""
    return data.StructLayout({"address": arch.spike_address_bits, "pos": arch.columns, "neg": arch.columns})


def answer_part(arch: Architecture) -> data.StructLayout:
    """Final potentials of classes tile * columns + q * tsa_width + i, to be added to the answer."""
    return data.StructLayout(
        {
            "tile": range(answer_tiles(arch)),
            "q": max(1, arch.pass_bits),  # Verilog has no signal without bits
            "values": data.ArrayLayout(signed(arch.potential_bits), arch.tsa_width),
        }
    )


def neuron_state(arch: Architecture) -> data.StructLayout:
    """What a neuron remembers from one step to the next."""
    return data.StructLayout({"potential": signed(arch.potential_bits), "fired": unsigned(1)})
