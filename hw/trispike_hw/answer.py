"""The answer of the last layer: adds up final potentials per class and sends them out in class order."""

from amaranth.hdl import Array, Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import memory, stream, wiring
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
        tile, q = Signal(range(answer_tiles(arch))), Signal(max(1, arch.pass_bits))  # of the part
        number = Signal(range(max(2, arch.tsa_width)))  # value of the part
        position = Signal(range(self._classes + 1))

        # A value is chosen in two steps: one of each group, whose numbers have the same upper bits, and then a group.
        low = (arch.tsa_width - 1).bit_length() // 2
        groups = [
            selected(source, (self._of_group(port, first, number[:low]) for port in self.i))
            for first in range(0, arch.tsa_width, 1 << low)
        ]
        m.d.comb += [
            tile.eq(selected(source, (port.payload.tile for port in self.i))),
            q.eq(selected(source, (port.payload.q for port in self.i))),
        ]
        adding, fetched, move = Signal(), Signal(), Signal()
        self._add(m, adding, read, write, groups, number[low:])

        with m.FSM():
            with m.State("WAIT"):
                self._take_request(m, to_clear, to_send, position, touched)
                with m.Elif(turns.valid):
                    m.d.comb += turns.advance.eq(1)
                    m.d.sync += [source.eq(turns.chosen), number.eq(0)]
                    m.next = "ADD"
            with m.State("CLEAR"):
                m.d.comb += [write.en.eq(1), write.addr.eq(position), write.data.eq(0)]
                m.d.sync += position.eq(position + 1)
                with m.If((position[column_bits:] == highest) & position[:column_bits].all()):
                    m.d.sync += [touched.eq(0), highest.eq(0)]
                    m.next = "WAIT"
            with m.State("ADD"):
                of_part = number[: (arch.tsa_width - 1).bit_length()]
                m.d.comb += [adding.eq(1), read.addr.eq(Cat(of_part, q[: arch.pass_bits], tile))]
                m.d.sync += number.eq(number + 1)
                with m.If(number == arch.tsa_width - 1):
                    m.d.comb += Cat(port.ready for port in self.i).eq(source)
                    m.d.sync += [touched.eq(1), highest.eq(Mux(tile > highest, tile, highest))]
                    m.next = "SETTLE"
            with m.State("SETTLE"):
                # The next part may go to the same class: its sum must have been written before it is read again.
                m.next = "WAIT"
            with m.State("SEND"):
                m.d.comb += [
                    move.eq(fetched & (~self.o.valid | self.o.ready)),
                    read.en.eq((position != limit) & (~fetched | move)),
                    read.addr.eq(position),
                ]
                with m.If(self.o.ready):
                    m.d.sync += self.o.valid.eq(0)
                with m.If(move):
                    m.d.sync += [self.o.valid.eq(1), self.o.payload.eq(read.data), fetched.eq(0)]
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

    def _of_group(self, port, first: int, number: Value) -> Value:
        """Value `first` + `number` of a part."""
        values = [port.payload["values"][first + i] for i in range(1 << len(number))]
        return Array(values)[number] if len(values) > 1 else values[0]

    def _add(self, m: Module, adding: Signal, read, write, groups: list[Value], group: Value) -> None:
        """Sum of the class at `read.addr` += the value of `group`, while `adding`: one cycle to read, settle, write."""
        address, valid = Signal.like(read.addr, reset_less=True), Signal()
        chosen = [Signal.like(value, name=f"chosen{i}", reset_less=True) for i, value in enumerate(groups)]
        chosen_group = Signal.like(group, reset_less=True)
        old, old_valid = Signal.like(read.data, reset_less=True), Signal()
        old_address, addend = Signal.like(address), Signal(signed(self._arch.potential_bits), reset_less=True)
        m.d.sync += [
            *(register.eq(value) for register, value in zip(chosen, groups, strict=True)),
            chosen_group.eq(group),
            address.eq(read.addr),
            valid.eq(adding),
            old.eq(read.data),
            old_address.eq(address),
            addend.eq(Array(chosen)[chosen_group] if len(chosen) > 1 else chosen[0]),
            old_valid.eq(valid),
        ]
        m.d.comb += [write.en.eq(old_valid), write.addr.eq(old_address), write.data.eq(old + addend)]
