"""Asynchronous serial line: eight data bits, no parity, one stop bit, least significant bit first."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

#: Fewest clock cycles of a bit with which the receiver still finds the middle of every bit.
FEWEST_CYCLES = 4


def cycles_per_bit(clock: float, baud: int) -> int:
    """Clock cycles of one bit at `clock` Hz and `baud` bits a second, to the nearest.

    Raises:
        ValueError: if there are fewer than FEWEST_CYCLES, or rounding is off by more than 2 %, beyond which the stop
            bit of a frame is missed.
    """
    cycles = round(clock / baud)
    if cycles < FEWEST_CYCLES or abs(cycles * baud / clock - 1) > 0.02:
        raise ValueError(
            f"a clock of {clock / 1e6:g} MHz cannot time {baud} baud to 2 % with {FEWEST_CYCLES} cycles a bit or more; "
            f"choose a rate that divides it"
        )
    return cycles


class UartReceiver(wiring.Component):
    """Takes bytes off a line.

    Function: samples each bit in its middle; a byte without a stop bit is dropped. Latency: a byte comes out two cycles
    after the middle of its stop bit. Back-pressure: the line cannot wait, so a byte that has not been taken when the
    next one is complete is lost. Reset: waits for a start bit.
    """

    rx: Signal
    o: stream.Interface

    def __init__(self, cycles: int) -> None:
        """`cycles` is the length of a bit in clock cycles."""
        self._cycles = cycles
        super().__init__({"rx": In(1, init=1), "o": Out(stream.Signature(8))})

    def elaborate(self, platform: object) -> Module:
        """See the class."""
        m = Module()
        line = Signal(init=1)
        m.submodules += FFSynchronizer(self.rx, line, init=1)
        wait = Signal(range(self._cycles))
        bit = Signal(range(8))
        byte = Signal(8)
        sample = Signal()
        m.d.comb += sample.eq(wait == 0)
        m.d.sync += wait.eq(wait - 1)
        with m.If(sample):
            m.d.sync += wait.eq(self._cycles - 1)
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)

        with m.FSM():
            with m.State("IDLE"):
                m.d.sync += [wait.eq(self._cycles // 2 - 1), bit.eq(0)]
                with m.If(~line):
                    m.next = "START"
            with m.State("START"), m.If(sample):
                m.next = "DATA"
                with m.If(line):  # too short for a start bit
                    m.next = "IDLE"
            with m.State("DATA"), m.If(sample):
                m.d.sync += [byte.eq(Cat(byte[1:], line)), bit.eq(bit + 1)]
                with m.If(bit == 7):
                    m.next = "STOP"
            with m.State("STOP"), m.If(sample):
                with m.If(line):
                    m.next = "IDLE"
                    with m.If(~self.o.valid | self.o.ready):
                        m.d.sync += [self.o.payload.eq(byte), self.o.valid.eq(1)]
                with m.Else():
                    m.next = "BREAK"
            with m.State("BREAK"), m.If(line):
                m.next = "IDLE"
        return m


class UartTransmitter(wiring.Component):
    """Puts bytes on a line.

    Latency: the start bit begins in the cycle after a byte was taken. Throughput: a byte every ten bits.
    Back-pressure: `i` waits while a byte is on the line. Reset: the line rests.
    """

    i: stream.Interface
    tx: Signal

    def __init__(self, cycles: int) -> None:
        """`cycles` is the length of a bit in clock cycles."""
        self._cycles = cycles
        super().__init__({"i": In(stream.Signature(8)), "tx": Out(1, init=1)})

    def elaborate(self, platform: object) -> Module:
        """See the class."""
        m = Module()
        bits = Signal(9)  # still to be sent, without the start bit
        left = Signal(range(11))
        wait = Signal(range(self._cycles))
        m.d.comb += self.i.ready.eq(left == 0)
        with m.If(left == 0):
            m.d.sync += self.tx.eq(1)
            with m.If(self.i.valid):
                m.d.sync += [bits.eq(Cat(self.i.payload, 1)), left.eq(10), self.tx.eq(0), wait.eq(self._cycles - 1)]
        with m.Elif(wait == 0):
            m.d.sync += [self.tx.eq(bits[0]), bits.eq(Cat(bits[1:], 1)), left.eq(left - 1), wait.eq(self._cycles - 1)]
        with m.Else():
            m.d.sync += wait.eq(wait - 1)
        return m
