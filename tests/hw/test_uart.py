"""The serial line in Amaranth's simulator; under cocotbext-uart see tests/sim/test_uart.py."""

import pytest
from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from streams import through

from trispike_hw.link.uart import UartReceiver, UartTransmitter, cycles_per_bit


class Loop(wiring.Component):
    """A transmitter whose line leads to a receiver."""

    i: In(stream.Signature(8))
    o: Out(stream.Signature(8))

    def __init__(self, sending: int, receiving: int) -> None:
        self._sending, self._receiving = sending, receiving
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        m.submodules.tx = tx = UartTransmitter(self._sending)
        m.submodules.rx = rx = UartReceiver(self._receiving)
        m.d.comb += rx.rx.eq(tx.tx)
        wiring.connect(m, wiring.flipped(self.i), tx.i)
        wiring.connect(m, rx.o, wiring.flipped(self.o))
        return m


@pytest.mark.parametrize(("sending", "receiving"), [(4, 4), (5, 5), (16, 16), (50, 50), (50, 49), (50, 52)])
def test_bytes_arrive_also_when_the_clocks_differ(sending, receiving):
    line = bytes([0, 255, 0x55, 0xAA, *range(0, 256, 37)])
    assert bytes(through(Loop(sending, receiving), line, len(line))) == line


def test_rates_that_a_clock_cannot_time_are_refused():
    assert cycles_per_bit(48e6, 1_000_000) == 48
    with pytest.raises(ValueError, match="a clock of 12 MHz cannot time 5000000 baud to 2 % with 4 cycles a bit or"):
        cycles_per_bit(12e6, 5_000_000)
    with pytest.raises(ValueError, match="choose a rate that divides it"):
        cycles_per_bit(25e6, 3_500_000)
