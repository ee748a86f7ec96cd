"""Reader of a serial flash: the external memory of boards without RAM."""

from typing import Any

from amaranth.hdl import Cat, Const, Module, Signal
from amaranth.lib import enum, wiring
from amaranth.lib.wiring import In, Out

from ..layout import STREAM_BITS
from .cycles import at_least
from .port import MemoryPort, MemoryRequest

#: Byte where the external memory begins in the flash; bitstreams and loaders lie below.
FLASH_OFFSET = 4 << 20

#: Bytes that an address of three bytes reaches, as much as the parts of our boards hold.
FLASH_BYTES = 16 << 20

FLASH_WORDS = (FLASH_BYTES - FLASH_OFFSET) * 8 // STREAM_BITS

_ADDRESS_BITS = 24
_DUMMY_BITS = 8  # between the address of FAST_READ and the data

#: Nanoseconds from WAKE until the part listens, and with its select off between two commands; the longest of W25Q128JV
#: (3 us, 50 ns) and parts like it.
_WAKE_TIME, _DESELECT_TIME = 30e3, 100.0


class FlashCommand(enum.Enum, shape=8):
    """First byte of a command."""

    FAST_READ = 0x0B
    WAKE = 0xAB  #: ends deep power-down, in which an iCE40 leaves its flash


class FlashPins(wiring.Signature):
    """The pins in SPI mode 0; select is high while the part is addressed.

    Members: select, clock, copi Out(1); cipo In(1).
    """

    def __init__(self) -> None:
        super().__init__({"select": Out(1), "clock": Out(1), "copi": Out(1), "cipo": In(1)})


class FlashReader(wiring.Component):
    """Makes a memory port of a flash, which it only reads.

    Function: a burst is one FAST_READ from FLASH_OFFSET on; byte 0 of a word is its lowest. Latency: about 85 cycles
    to the first bit of a burst. Throughput: a bit in two cycles, a word in 66. Back-pressure: the clock of the part
    stands while `words` waits. Reset: wakes the part, which takes 30 us.
    """

    memory: Any  # MemoryPort, whose members no type checker sees
    pins: Any

    def __init__(self, clock: float) -> None:
        """`clock` in Hz; the part gets half of it, which must not be more than it takes (104 MHz and above)."""
        self._clock = clock
        super().__init__({"memory": In(MemoryPort(writable=False)), "pins": Out(FlashPins())})

    def elaborate(self, platform: object) -> Module:
        """See the class."""
        m = Module()
        memory, pins = self.memory, self.pins
        wake, deselect = at_least(_WAKE_TIME, self._clock), at_least(_DESELECT_TIME, self._clock)
        bits = 8 + _ADDRESS_BITS + _DUMMY_BITS
        command = Signal(bits)  # still to be sent, the next bit on top
        left = Signal(range(max(bits, STREAM_BITS) + 1))  # bits of the command or of the word at hand
        words = Signal.like(MemoryRequest(memory.request.payload).count)
        wait = Signal(range(max(wake, deselect)))
        high = Signal()  # the next half of a bit is the one in which the clock is high
        sampling = Signal()  # the clock is high, and the part shows a bit
        waking = Signal(init=1)
        shifted = Signal(STREAM_BITS)
        m.d.sync += [pins.clock.eq(0), sampling.eq(0)]
        m.d.comb += [
            pins.copi.eq(command[-1]),
            memory.words.payload.eq(Cat(shifted.word_select(3 - byte, 8) for byte in range(4))),
        ]
        with m.If(sampling):
            m.d.sync += shifted.eq(Cat(pins.cipo, shifted))

        def send(first: FlashCommand, address: Any, length: int) -> None:
            m.d.sync += [
                command.eq(Cat(Const(0, _DUMMY_BITS), address, Const(first.value, 8))),
                left.eq(length),
                pins.select.eq(1),
            ]
            m.next = "SEND"

        def half_bit() -> None:
            """Goes on by half a bit; in the second half the clock is high."""
            m.d.sync += [high.eq(~high), pins.clock.eq(high)]

        with m.FSM():
            with m.State("IDLE"):
                with m.If(waking):
                    send(FlashCommand.WAKE, Const(0, _ADDRESS_BITS), 8)
                with m.Else():
                    m.d.comb += memory.request.ready.eq(1)
                    m.d.sync += words.eq(memory.request.payload.count)
                    with m.If(memory.request.valid):
                        start = Cat(Const(0, 2), memory.request.payload.address)[:_ADDRESS_BITS]
                        send(FlashCommand.FAST_READ, (start + FLASH_OFFSET)[:_ADDRESS_BITS], bits)
            with m.State("SEND"):
                with m.If(left == 0):
                    m.d.sync += left.eq(STREAM_BITS)
                    m.next = "WORD"
                    with m.If(waking):
                        m.d.sync += wait.eq(wake - 1)
                        m.next = "REST"
                with m.Else():
                    half_bit()
                    m.d.sync += left.eq(left - high)
                # The bit stays until the clock has been high for a whole cycle.
                with m.If(pins.clock):
                    m.d.sync += command.eq(command << 1)
            with m.State("WORD"):
                with m.If(left == 0):
                    m.next = "OFFER"
                with m.Else():
                    half_bit()
                    m.d.sync += [left.eq(left - high), sampling.eq(high)]
            with m.State("OFFER"):
                m.d.comb += memory.words.valid.eq(1)
                with m.If(memory.words.ready):
                    m.d.sync += [words.eq(words - 1), left.eq(STREAM_BITS)]
                    m.next = "WORD"
                    with m.If(words == 1):
                        m.d.sync += wait.eq(deselect - 1)
                        m.next = "REST"
            with m.State("REST"):
                m.d.sync += [wait.eq(wait - 1), waking.eq(0), pins.select.eq(0)]
                with m.If(wait == 0):
                    m.next = "IDLE"
        return m
