"""The answer of the last layer: adds up final potentials per class and sends them out in class order."""

from functools import reduce
from operator import or_

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from .architecture import Architecture
from .layout import STREAM_BITS
from .ports import BLOCK_RAM
from .round_robin import RoundRobin, selected
from .tsa_layout import answer_part, answer_tiles

PART_CYCLES = 2
"""Cycles that a part takes beside one for each of its values."""


class AnswerStore(wiring.Component):
    """One 32-bit sum per class, for the whole machine.

    Function: adds the values of every part to the sums of its classes (modulo 2**32), one value a cycle; sends the sums
    of the first `count` classes on `start`. `clear` sets all sums to 0 that have been added to since the last `clear`
    (after a reset, all there are); parts wait as long as that takes, a cycle a class.

    Latency: a part is in the sums tsa_width + 2 cycles after it was chosen; the first word of the answer comes four
    cycles after `start`. Throughput: one part in tsa_width + 2 cycles; one word a cycle. Back-pressure: parts wait for
    their turn and while the answer goes out; `o` may wait as long as it likes. A reset forgets the answer.

    Members
    -------
    i : In(stream.Signature(answer_part(arch))).array(clusters)
    clear : In(1)
        Pulse: a run begins.
    start : In(1)
        Pulse: send the answer; every part must have been taken.
    count : In
        Classes of the answer, 1 to tiles * columns; read with `start`.
    o : Out(stream.Signature(signed(32)))
        The sums, class 0 first.
    last : Out(1)
        While `o` is valid: this word is the last one of the answer.
    done : Out(1)
        Pulse: the last word of the answer was taken.
    """

    def __init__(self, arch: Architecture):
        self._arch = arch
        self._classes = answer_tiles(arch) * arch.columns
        super().__init__(
            {
                "i": In(stream.Signature(answer_part(arch))).array(arch.clusters),
                "clear": In(1),
                "start": In(1),
                "count": In(range(self._classes + 1)),
                "o": Out(stream.Signature(signed(STREAM_BITS))),
                "last": Out(1),
                "done": Out(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        arch = self._arch
        column_bits = (arch.columns - 1).bit_length()
        m.submodules.sums = sums = memory.Memory(
            shape=signed(STREAM_BITS), depth=self._classes, init=[], attrs=BLOCK_RAM
        )
        read, write = sums.read_port(), sums.write_port()
        m.submodules.turns = turns = RoundRobin(arch.clusters)
        m.d.comb += turns.requests.eq(Cat(port.valid for port in self.i))

        to_clear, to_send, limit = self._requests(m)
        touched, highest = Signal(init=1), Signal(range(answer_tiles(arch)), init=answer_tiles(arch) - 1)
        source = Signal(arch.clusters)  # one bit per cluster
        position = Signal(range(self._classes + 1))  # class whose sum is read or cleared
        number, tile = position[: (arch.tsa_width - 1).bit_length()], position[column_bits:]

        def first_class(part: data.View) -> Value:
            return Cat(Const(0, len(number)), part.q[: arch.pass_bits], part.tile)

        adding, clearing, fetched, move = Signal(), Signal(), Signal(), Signal()
        take = Signal(init=1)  # the word that was read
        word = self._add(m, adding, clearing, take, self._chosen(m, source, number), read, write)
        m.d.comb += [read.addr.eq(position), self.o.payload.eq(word)]

        with m.FSM():
            with m.State("WAIT"):
                self._take_request(m, to_clear, to_send, position, touched)
                with m.Elif(turns.valid):
                    m.d.comb += turns.advance.eq(1)
                    starts = (first_class(port.payload) for port in self.i)
                    m.d.sync += [source.eq(turns.chosen), position.eq(selected(turns.chosen, starts))]
                    m.next = "ADD"
            with m.State("CLEAR"):
                m.d.comb += clearing.eq(1)
                m.d.sync += position.eq(position + 1)
                with m.If((tile == highest) & position[:column_bits].all()):
                    m.d.sync += [touched.eq(0), highest.eq(0)]
                    m.next = "SETTLE"
            with m.State("ADD"):
                m.d.comb += adding.eq(1)
                m.d.sync += position.eq(position + 1)
                with m.If(number.all()):
                    m.d.comb += Cat(port.ready for port in self.i).eq(source)
                    m.d.sync += touched.eq(1)
                    with m.If(tile > highest):
                        m.d.sync += highest.eq(tile)
                    m.next = "SETTLE"
            with m.State("SETTLE"):
                # The next part may go to the same class: its sum must have been written before it is read.
                m.next = "WAIT"
            with m.State("SEND"):
                m.d.comb += [
                    move.eq(fetched & (~self.o.valid | self.o.ready)),
                    take.eq(move),
                    read.en.eq((position != limit) & (~fetched | move)),
                ]
                with m.If(self.o.ready):
                    m.d.sync += self.o.valid.eq(0)
                with m.If(move):
                    m.d.sync += [self.o.valid.eq(1), fetched.eq(0)]
                with m.If(read.en):
                    m.d.sync += [fetched.eq(1), position.eq(position + 1)]
                m.d.comb += [self.last.eq(self.o.valid & ~fetched), self.done.eq(self.last & self.o.ready)]
                with m.If(self.done):
                    m.next = "WAIT"
        return m

    def _requests(self, m: Module) -> tuple[Signal, Signal, Signal]:
        """What the machine wants: to clear, to send, so many words. It waits until the part at hand is done."""
        to_clear, to_send, limit = Signal(), Signal(), Signal.like(self.count)
        with m.If(self.clear):
            m.d.sync += to_clear.eq(1)
        with m.If(self.start):
            m.d.sync += [to_send.eq(1), limit.eq(self.count)]
        return to_clear, to_send, limit

    def _take_request(self, m: Module, to_clear: Signal, to_send: Signal, position: Signal, touched: Signal) -> None:
        """Start on what the machine wants; an `m.Elif` of what else there is to do may follow."""
        with m.If(self.clear | to_clear):
            m.d.sync += [to_clear.eq(0), position.eq(0)]
            with m.If(touched):
                m.next = "CLEAR"
        with m.Elif(to_send):
            m.d.sync += [to_send.eq(0), position.eq(0)]
            m.next = "SEND"

    def _add(self, m: Module, adding: Value, clearing: Value, take: Value, values: list[Signal], read, write) -> Signal:
        """Sum of the class at `read.addr` += the union of `values`, a cycle later, while `adding`, or := 0 while
        `clearing`: one cycle to read, settle, write. Returns the register behind `read`, which follows it while `take`.

        Cleared is by 0 + 0: registers that are reset for it cost less than a multiplexer behind the adder.
        """
        address, valid, fresh = Signal.like(read.addr, reset_less=True), Signal(), Signal()
        old, old_valid = Signal.like(read.data, reset_less=True), Signal()
        old_address, addend = Signal.like(address), Signal(signed(self._arch.potential_bits), reset_less=True)
        m.d.sync += [
            address.eq(read.addr),
            valid.eq(adding | clearing),
            fresh.eq(clearing),
            old_address.eq(address),
            old_valid.eq(valid),
            addend.eq(Mux(fresh, 0, reduce(or_, values))),
        ]
        with m.If(take):
            m.d.sync += old.eq(Mux(fresh, 0, read.data))
        m.d.comb += [write.en.eq(old_valid), write.addr.eq(old_address), write.data.eq(old + addend)]
        return old

    def _chosen(self, m: Module, source: Value, number: Value) -> list[Signal]:
        """Registers whose union is value `number` of the part of `source`, a cycle later: one for each group of values
        whose numbers have the same upper bits, zero unless the group is wanted, which costs no look-up table."""
        low = len(number) // 2
        chosen = []
        for group in range(self._arch.tsa_width >> low):
            values = [self._of_group(port, group << low, number[:low]) for port in self.i]
            held = Signal(signed(self._arch.potential_bits), name=f"chosen{group}", reset_less=True)
            with m.If(number[low:] == group):
                m.d.sync += held.eq(selected(source, values) if len(values) > 1 else values[0])
            with m.Else():
                m.d.sync += held.eq(0)
            chosen.append(held)
        return chosen

    def _of_group(self, port, first: int, number: Value) -> Value:
        """Value `first` + `number` of a part."""
        values = [port.payload["values"][first + i] for i in range(1 << len(number))]
        return Array(values)[number] if len(values) > 1 else values[0]
