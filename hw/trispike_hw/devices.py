"""FPGA families that the RTL knows primitives of."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Device:
    """A target of the RTL, in the place where Amaranth hands a platform to `elaborate`.

    `device` is the beginning of its vendor's part numbers, as in Amaranth's platforms, by which blocks choose between
    a primitive and its portable twin; it is empty where every tool must understand the Verilog.
    """

    name: str
    description: str
    device: str


DEVICES = {
    device.name: device
    for device in (
        Device("generic", "plain Verilog, for simulation, lint and any synthesis", ""),
        Device("ecp5", "carry primitives of the Lattice ECP5, one look-up table per accumulator bit", "LFE5U"),
        Device("ice40", "single-port RAM of the Lattice iCE40 UltraPlus for weights", "iCE40UP"),
    )
}
"""Every device by its name."""
