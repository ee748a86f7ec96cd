"""Clips a segment's window to its source tensor."""

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .architecture import Architecture
from .layout import Position, SegmentRow, SegmentSource, SegmentWindow, slot


class WindowClip(wiring.Component):
    """From a window's position to the slot that a lane walks.

    Function: drops the kernel rows above and below the source one per cycle, cuts the bits left and right of it, and
    translates bits to words. `source`, `window` and `row` stand still from `start` (with `position`) to `done`, which
    stays high with `slot` until the next `start`. The slot's `last` and `partial` are left to the dispatcher.
    Latency: five cycles and one per dropped row. No back-pressure. Reset: done.
    """

    def __init__(self, arch: Architecture):
        self._arch = arch
        super().__init__(
            {
                "source": In(SegmentSource),
                "window": In(SegmentWindow),
                "row": In(SegmentRow),
                "position": In(Position),
                "start": In(1),
                "done": Out(1),
                "slot": Out(slot(arch)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        columns = self._arch.columns
        shift = (columns - 1).bit_length()

        address = Signal(18)
        weight = Signal(16)
        rows = Signal(8)
        y, y_last = Signal(signed(12)), Signal(signed(12))
        bit = Signal(signed(18))
        end = Signal(signed(20))
        begin, finish, last_bit = Signal(18), Signal(18), Signal(18)  # begin <= bits inside the source < finish
        empty = Signal()

        with m.FSM():
            with m.State("DONE"):
                m.d.comb += self.done.eq(1)
                with m.If(self.start):
                    m.d.sync += [
                        address.eq(self.position.row),
                        weight.eq(self.position.weight),
                        rows.eq(self.source.rows),
                        y.eq(self.position.y),
                        bit.eq(self.position.bit),
                    ]
                    m.next = "EDGES"
            with m.State("EDGES"):
                m.d.sync += [
                    y_last.eq(y + self.row.span),
                    begin.eq(Mux(bit < 0, 0, bit)),
                    end.eq(bit + self.window.bit_length),
                ]
                m.next = "ROWS"
            with m.State("ROWS"):
                m.d.sync += finish.eq(Mux(end > self.row.row_bits, self.row.row_bits, Mux(end < 0, 0, end)))
                with m.If(rows == 0):
                    m.next = "BITS"
                with m.Elif(y < 0):
                    m.d.sync += [
                        y.eq(y + self.source.dilation),
                        rows.eq(rows - 1),
                        address.eq(address + self.source.pitch),
                        weight.eq(weight + self.window.weight_pitch),
                    ]
                with m.Elif(y_last >= self.window.height):
                    m.d.sync += [y_last.eq(y_last - self.source.dilation), rows.eq(rows - 1)]
                with m.Else():
                    m.next = "BITS"
            with m.State("BITS"):
                # Weight rows count from the window's first bit, or from the word that holds it.
                first_word = begin[shift:]
                m.d.sync += [
                    last_bit.eq(finish - 1),
                    empty.eq((rows == 0) | (begin >= finish)),
                    weight.eq(
                        weight + Mux(self.source.lanewise, first_word - (bit >> shift), (first_word << shift) - bit)
                    ),
                ]
                m.next = "WORDS"
            with m.State("WORDS"):
                last_word = last_bit[shift:]
                m.d.sync += [
                    self.slot.address.eq(address + first_word),
                    self.slot.plane.eq(self.source.plane),
                    self.slot.pitch.eq(self.source.pitch),
                    self.slot.rows.eq(rows),
                    self.slot.words.eq(last_word - first_word + 1),
                    self.slot.first_bit.eq(begin[:shift]),
                    self.slot.last_bit.eq(last_bit[:shift]),
                    self.slot.weight.eq(weight),
                    self.slot.weight_pitch.eq(self.window.weight_pitch),
                    self.slot.lanewise.eq(self.source.lanewise),
                    self.slot.skip.eq(empty),
                ]
                m.next = "DONE"
        return m
