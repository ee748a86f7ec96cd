"""The PYNQ-Z2, which amaranth-boards does not know, in its style."""

from typing import ClassVar

from amaranth.build import Attrs, Clock, Pins, Resource
from amaranth.vendor import XilinxPlatform
from amaranth_boards.resources import LEDResources, UARTResource


class PynqZ2Platform(XilinxPlatform):
    """TUL PYNQ-Z2, Zynq 7020. Its USB serial port belongs to the processors, so the one here is on Pmod A, where a
    Pmod USBUART has it: pin 2 to the host, pin 3 from it. Pins: PYNQ-Z2 reference manual and its master XDC."""

    device = "xc7z020"
    package = "clg400"
    speed = "1"
    default_clk = "clk125"
    resources: ClassVar = [
        Resource("clk125", 0, Pins("H16", dir="i"), Clock(125e6), Attrs(IOSTANDARD="LVCMOS33")),
        *LEDResources(pins="R14 P14 N16 M14", attrs=Attrs(IOSTANDARD="LVCMOS33")),
        UARTResource(0, tx="Y19", rx="Y16", attrs=Attrs(IOSTANDARD="LVCMOS33")),
    ]
    connectors: ClassVar = []
