"""Layouts of what passes through the dispatcher: from a loop's turn to a slot for the lanes."""

from amaranth.hdl import signed
from amaranth.lib import data

from .architecture import Architecture
from .layout import LOOP_LEVELS, slot


def errand(arch: Architecture) -> data.StructLayout:
    """Whom a slot is for, and what its end means."""
    return data.StructLayout(
        {
            "lanes": arch.lanes,  # lanes that get it, one bit each
            "last": 1,  # last segment of its item
            "last_of_window": 1,  # its item is the last one of its pooling window
        }
    )


def turn(arch: Architecture) -> data.StructLayout:
    """One segment of one item, known by how it follows from the item before."""
    return data.StructLayout(
        {
            "segment": range(arch.max_segments),
            "at_start": 1,  # the layer's first item
            "level": range(LOOP_LEVELS),  # otherwise: the loop level that has advanced
            "errand": errand(arch),
        }
    )


def source_part(arch: Architecture) -> data.StructLayout:
    """What the machine keeps of `SegmentSource`."""
    address = arch.spike_address_bits
    return data.StructLayout({"plane": address, "pitch": address, "rows": 8, "dilation": 4, "lanewise": 1})


def _odd_offset_bits(arch: Architecture) -> int:
    return 1 if arch.lone_lane else arch.weight_address_bits  # of no use to a lone lane, but Verilog wants a bit


def window_part(arch: Architecture) -> data.StructLayout:
    """What the machine keeps of `SegmentWindow`."""
    weight = arch.weight_address_bits
    return data.StructLayout(
        {"height": 10, "bit_length": 18, "weight_pitch": weight, "odd_offset": _odd_offset_bits(arch)}
    )


def row_part(arch: Architecture) -> data.StructLayout:
    """What the machine keeps of `SegmentRow`."""
    return data.StructLayout({"row_bits": 18, "span": 12, "repeats": 4, "rewind": arch.spike_address_bits})


def position_part(arch: Architecture) -> data.StructLayout:
    """What the machine keeps of `Position`."""
    return data.StructLayout(
        {"row": arch.spike_address_bits, "y": signed(10), "bit": signed(18), "weight": arch.weight_address_bits}
    )


def window_job(arch: Architecture) -> data.StructLayout:
    """A window that is to be clipped."""
    return data.StructLayout(
        {
            "source": source_part(arch),
            "window": window_part(arch),
            "row": row_part(arch),
            "position": position_part(arch),
            "errand": errand(arch),
        }
    )


def delivery(arch: Architecture) -> data.StructLayout:
    """A clipped window on its way to the lanes; `odd_offset` is what lanes with an odd number add in tile mode."""
    return data.StructLayout({"slot": slot(arch), "odd_offset": _odd_offset_bits(arch), "errand": errand(arch)})
