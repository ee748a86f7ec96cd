"""Controller of a single-data-rate SDRAM with a bus of 16 bits."""

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, enum, wiring
from amaranth.lib.wiring import In, Out

from ..buffered_queue import BufferedQueue
from ..layout import STREAM_BITS
from .cycles import at_least, at_most
from .port import MemoryPort, MemoryRequest
from .sdram_part import SdramPart

BURST = 2
"""Transfers on the bus for a command: one word of 32 bits."""

_ALL_BANKS = 1 << 10  # of the address, with PRECHARGE


class SdramCommand(enum.Enum, shape=3):
    """Commands by the strobes that are active: bit 0 RAS, bit 1 CAS, bit 2 WE."""

    NOP = 0b000
    ACTIVE = 0b001
    READ = 0b010
    REFRESH = 0b011
    PRECHARGE = 0b101
    WRITE = 0b110
    LOAD_MODE = 0b111


class SdramPins(wiring.Signature):
    """What goes to the part and comes back, once a cycle; clock enable and chip select are always on, masks off.

    Members: command, bank, address, dq_o, dq_oe Out; dq_i In.
    """

    def __init__(self, part: SdramPart) -> None:
        super().__init__(
            {
                "command": Out(SdramCommand),
                "bank": Out(part.bank_bits),
                "address": Out(part.row_bits),
                "dq_o": Out(part.data_bits),
                "dq_oe": Out(1),
                "dq_i": In(part.data_bits),
            }
        )


class SdramController(wiring.Component):
    """Makes a memory port of an SDRAM.

    Function: brings the part up, refreshes it in time, and keeps one row open until another one is wanted; neighbouring
    words stand in one row. Word address, lowest bits first: column, bank, row. Latency: about
    read_cycles + 6 cycles to the first word if its row is open, tRP + tRCD more if another one is. Throughput: a word
    in two cycles, less what refreshing takes and, once in 256 words, the change of the row. Back-pressure: `words` may
    wait as long as it likes; stores wait a few cycles, 200 us after a reset. Reset: brings the part up anew.

    Ports:
        memory: the port; stores come before requests.
        pins: the part. A READ in one cycle must have its first half word in `dq_i` `read_cycles` later.
    """

    memory: Any  # MemoryPort, whose members no type checker sees
    pins: Any

    def __init__(self, part: SdramPart, clock: float, read_cycles: int) -> None:
        """`clock` in Hz, which the part has checked; `read_cycles` is the latency of the part and of the pads."""
        self._part, self._clock, self._read_cycles = part, clock, read_cycles
        super().__init__({"memory": In(MemoryPort()), "pins": Out(SdramPins(part))})

    def elaborate(self, platform: object) -> Module:
        """See the class."""
        m = Module()
        part, pins = self._part, self.pins

        def cycles(nanoseconds: float) -> int:
            return at_least(nanoseconds, self._clock)

        # Cycles that must pass before the next command: any one; PRECHARGE; WRITE, for whose data the bus must be free.
        longest = max(cycles(part.t_rfc), cycles(part.t_rp), cycles(part.t_rcd), part.t_mrd, BURST)
        row_time = cycles(max(part.t_ras, part.t_rc - part.t_rp))
        recovery = BURST - 1 + cycles(part.t_wr)
        turnaround = part.cas + BURST + 1
        any_wait = Signal(range(longest))
        row_wait = Signal(range(max(row_time, recovery)))
        bus_wait = Signal(range(turnaround))
        for wait in (any_wait, row_wait, bus_wait):
            with m.If(wait != 0):
                m.d.sync += wait.eq(wait - 1)

        second_half = Signal(part.data_bits)
        writing = Signal()
        m.d.sync += [
            pins.command.eq(SdramCommand.NOP),
            pins.dq_o.eq(second_half),
            pins.dq_oe.eq(writing),
            writing.eq(0),
        ]

        def command(kind: SdramCommand, wait: int, address: Any = 0, bank: Any = 0) -> None:
            m.d.sync += [pins.command.eq(kind), pins.address.eq(address), pins.bank.eq(bank), any_wait.eq(wait - 1)]

        job, job_done, returning = self._jobs(m)
        column, bank, row = self._split(job.address)
        opened, open_bank, open_row = Signal(), Signal.like(bank), Signal.like(row)
        hit = Signal()
        m.d.comb += hit.eq(opened & (bank == open_bank) & (row == open_row))
        refresh_due = self._refresh_timer(m)

        def precharge() -> None:
            with m.If(row_wait == 0):
                command(SdramCommand.PRECHARGE, cycles(part.t_rp), _ALL_BANKS)
                m.d.sync += opened.eq(0)

        power_up = Signal(range(cycles(part.power_up)), init=cycles(part.power_up) - 1)
        refreshes = Signal(range(part.refreshes), init=part.refreshes - 1)
        with m.FSM():
            with m.State("POWER_UP"):
                m.d.sync += power_up.eq(power_up - 1)
                with m.If(power_up == 0):
                    command(SdramCommand.PRECHARGE, cycles(part.t_rp), _ALL_BANKS)
                    m.next = "REFRESH"
            with m.State("REFRESH"), m.If(any_wait == 0):
                command(SdramCommand.REFRESH, cycles(part.t_rfc))
                m.d.sync += refreshes.eq(refreshes - 1)
                with m.If(refreshes == 0):
                    m.next = "LOAD_MODE"
            with m.State("LOAD_MODE"), m.If(any_wait == 0):
                command(SdramCommand.LOAD_MODE, part.t_mrd, part.cas << 4 | BURST.bit_length() - 1)
                m.next = "READY"
            with m.State("READY"), m.If(any_wait == 0):
                with m.If(refresh_due):
                    with m.If(opened):
                        precharge()
                    with m.Else():
                        command(SdramCommand.REFRESH, cycles(part.t_rfc))
                        m.d.sync += refresh_due.eq(0)
                with m.Elif(job.valid & ~opened):
                    command(SdramCommand.ACTIVE, cycles(part.t_rcd), row, bank)
                    m.d.sync += [opened.eq(1), open_bank.eq(bank), open_row.eq(row), row_wait.eq(row_time - 1)]
                with m.Elif(job.valid & ~hit):
                    precharge()
                with m.Elif(job.valid & job.write & (bus_wait == 0)):
                    command(SdramCommand.WRITE, BURST, column, bank)
                    m.d.comb += job_done.eq(1)
                    m.d.sync += [
                        Cat(pins.dq_o, second_half).eq(job.data),
                        pins.dq_oe.eq(1),
                        writing.eq(1),
                        row_wait.eq(Mux(row_wait > recovery, row_wait - 1, recovery - 1)),
                    ]
                with m.Elif(job.valid & ~job.write):
                    command(SdramCommand.READ, BURST, column, bank)
                    m.d.comb += [job_done.eq(1), returning.eq(1)]
                    m.d.sync += bus_wait.eq(turnaround - 1)
        return m

    def _split(self, address: Any) -> tuple[Any, Any, Any]:
        """Column, bank and row of a word address."""
        part = self._part
        columns = part.column_bits - 1  # of words
        return (
            Cat(Const(0, 1), address[:columns]),
            address[columns : columns + part.bank_bits],
            address[columns + part.bank_bits : columns + part.bank_bits + part.row_bits],
        )

    def _refresh_timer(self, m: Module) -> Signal:
        """High when a refresh is due; whoever does it clears it."""
        interval = at_most(self._part.t_refi, self._clock)
        timer, due = Signal(range(interval), init=interval - 1), Signal()
        m.d.sync += timer.eq(timer - 1)
        with m.If(timer == 0):
            m.d.sync += [timer.eq(interval - 1), due.eq(1)]
        return due

    def _jobs(self, m: Module) -> tuple[Any, Signal, Signal]:
        """The access at hand, a signal that ends it, and one that announces the data of a READ.

        A word is asked for only if there is room for it when it comes.
        """
        memory = self.memory
        latency = self._read_cycles
        m.submodules.words = words = BufferedQueue(width=STREAM_BITS, depth=16)
        job = Signal(data.StructLayout({"valid": 1, "write": 1, "address": memory.store.payload.address.shape(),
                                        "data": STREAM_BITS}))  # fmt: skip
        done, returning = Signal(), Signal()
        burst = Signal(MemoryRequest)
        room = Signal(range(words.depth + 1), init=words.depth)  # words that may still be asked for
        asked, taken = Signal(), Signal()
        m.d.comb += [
            memory.words.valid.eq(words.r_rdy),
            memory.words.payload.eq(words.r_data),
            words.r_en.eq(memory.words.ready),
            taken.eq(memory.words.valid & memory.words.ready),
            memory.request.ready.eq(burst.count == 0),
        ]
        m.d.sync += room.eq(room - asked + taken)
        with m.If(memory.request.valid & memory.request.ready):
            m.d.sync += burst.eq(memory.request.payload)
        with m.If(done):
            m.d.sync += job.valid.eq(0)
        # A store waits for a cycle without a job: that one ends goes by the part's rows, too far for who stores.
        m.d.comb += memory.store.ready.eq(~job.valid)
        with m.If(memory.store.valid & memory.store.ready):
            m.d.sync += [job.valid.eq(1), job.write.eq(1), job.address.eq(memory.store.payload.address),
                         job.data.eq(memory.store.payload.data)]  # fmt: skip
        with m.Elif((~job.valid | done) & ~memory.store.valid & (burst.count != 0) & (room != 0)):
            m.d.comb += asked.eq(1)
            m.d.sync += [job.valid.eq(1), job.write.eq(0), job.address.eq(burst.address),
                         burst.address.eq(burst.address + 1), burst.count.eq(burst.count - 1)]  # fmt: skip

        # `returning` is a cycle before its READ is on the pins; the two half words come one behind the other.
        under_way = Signal(latency + 2)
        first_half = Signal(self._part.data_bits)
        m.d.sync += [under_way.eq(Cat(returning, under_way)), first_half.eq(self.pins.dq_i)]
        m.d.comb += [words.w_en.eq(under_way[latency + 1]), words.w_data.eq(Cat(first_half, self.pins.dq_i))]
        return job, done, returning
