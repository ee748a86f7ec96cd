"""Clips a segment's window to its source tensor."""

from amaranth.hdl import Cat, Module, Mux, Shape, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from .architecture import Architecture
from .dispatch_layout import delivery, window_job


class WindowClip(wiring.Component):
    """From a window's position to the slot that a lane walks.

    Function: drops the kernel rows above and below the source one per cycle, cuts the bits left and right of it, and
    translates bits to words and steps between words. Latency: five cycles and one per dropped row. Throughput: one
    window in two cycles, which is what `SlotDelivery` takes, and a cycle more per dropped row from the second on.
    Back-pressure: all stages stand while a window is at `o`, whether it is taken or not, so that nothing within waits
    for what `ready` waits for. `idle`: no window is inside. Reset: empty.
    """

    def __init__(self, arch: Architecture):
        self._arch = arch
        super().__init__(
            {
                "i": In(stream.Signature(window_job(arch))),
                "o": Out(stream.Signature(delivery(arch))),
                "idle": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        arch = self._arch
        shift = (arch.columns - 1).bit_length()
        common = {
            "job": window_job(arch),
            "address": arch.spike_address_bits,
            "next_step": arch.spike_address_bits,  # from the first word of the last row to that of the first, a step on
            "weight": arch.weight_address_bits,
            "rows": 8,
            "begin": 18,  # first bit of the window inside the source
        }

        # First stage: the window's edges; it stays here while kernel rows are dropped.
        edges = Signal(
            data.StructLayout(
                common
                | {
                    "y": Shape.cast(signed(12)),
                    "room": Shape.cast(signed(13)),  # source rows below the window's last one, less one: sign is enough
                    "end": signed(20),
                }
            ),
            reset_less=True,
        )
        valid = Signal(4)  # of the stages, the first one in bit 0
        dropping, go = Signal(), Signal()  # dropping is a register: the stages hang on it
        above = edges.y < 0
        m.d.comb += [go.eq(~dropping & ~self.o.valid), self.i.ready.eq(go)]
        position = self.i.payload.position
        room = self.i.payload.window.height - (position.y + self.i.payload.row.span) - 1
        dilation = edges.job.source.dilation
        y_below, room_below = edges.y + Mux(above, dilation, 0), edges.room + Mux(above, 0, dilation)
        with m.If(go):
            m.d.sync += [
                valid.eq(Cat(self.i.valid, valid)),
                edges.job.eq(self.i.payload),
                edges.address.eq(position.row),
                edges.next_step.eq(self.i.payload.source.plane - self.i.payload.row.rewind),
                edges.weight.eq(position.weight),
                edges.rows.eq(self.i.payload.source.rows),
                edges.y.eq(position.y),
                edges.room.eq(room),
                dropping.eq(self.i.valid & self.i.payload.source.rows.any() & ((position.y < 0) | (room < 0))),
                edges.begin.eq(Mux(position.bit < 0, 0, position.bit)),
                edges.end.eq(position.bit + self.i.payload.window.bit_length),
            ]
        with m.Elif(dropping):
            m.d.sync += [
                edges.rows.eq(edges.rows - 1),
                edges.y.eq(y_below),
                edges.room.eq(room_below),
                dropping.eq((edges.rows != 1) & ((y_below < 0) | (room_below < 0))),
                edges.next_step.eq(edges.next_step + edges.job.source.pitch),
            ]
            with m.If(above):
                m.d.sync += [
                    edges.address.eq(edges.address + edges.job.source.pitch),
                    edges.weight.eq(edges.weight + edges.job.window.weight_pitch),
                ]

        # Second stage: the last bit inside the source. Third: bits to words; weight rows count from the window's first
        # bit, or from the word that holds it.
        cut = Signal(data.StructLayout(common | {"finish": 18}), reset_less=True)
        bits = Signal(data.StructLayout(common | {"last_bit": 18, "empty": 1}), reset_less=True)
        first_word, bit = cut.begin[shift:], cut.job.position.bit
        offset = Mux(cut.job.source.lanewise, first_word - (bit >> shift), (first_word << shift) - bit)
        with m.If(go):
            m.d.sync += [
                later[name].eq(earlier[name]) for earlier, later in ((edges, cut), (cut, bits)) for name in common
            ]
            m.d.sync += [
                cut.finish.eq(
                    Mux(edges.end > edges.job.row.row_bits, edges.job.row.row_bits, Mux(edges.end < 0, 0, edges.end))
                ),
                bits.last_bit.eq(cut.finish - 1),
                bits.empty.eq((cut.rows == 0) | (cut.begin >= cut.finish)),
                bits.weight.eq(cut.weight + offset),
            ]

        # Fourth stage: how many words a row has.
        sized = Signal(
            data.StructLayout(common | {"first_bit": shift, "last_bit": shift, "behind": 10}), reset_less=True
        )
        first_word, last_word = bits.begin[shift:], bits.last_bit[shift:]
        with m.If(go):
            m.d.sync += [sized[name].eq(bits[name]) for name in common]
            m.d.sync += [
                sized.address.eq(bits.address + first_word),
                sized.first_bit.eq(bits.begin[:shift]),
                sized.last_bit.eq(bits.last_bit[:shift]),
                sized.behind.eq(last_word - first_word),
            ]
            with m.If(bits.empty):
                m.d.sync += [
                    sized.first_bit.eq(arch.columns - 1),
                    sized.last_bit.eq(0),
                    sized.behind.eq(0),
                    sized.rows.eq(1),
                ]

        # Fifth stage: the slot.
        clipped = Signal(delivery(arch), reset_less=True)
        m.d.comb += self.o.payload.eq(clipped)
        slot, source = clipped.slot, sized.job.source
        with m.If(go):
            m.d.sync += [
                self.o.valid.eq(valid[-1]),
                slot.address.eq(sized.address),
                slot.next_row.eq(source.pitch - sized.behind),
                slot.next_step.eq(sized.next_step - sized.behind),
                slot.more_rows.eq(sized.rows - 2),
                slot.more_words.eq(sized.behind - 1),
                slot.first_bit.eq(sized.first_bit),
                slot.last_bit.eq(sized.last_bit),
                slot.weight.eq(sized.weight),
                slot.next_weights.eq(
                    sized.job.window.weight_pitch - Mux(source.lanewise, sized.behind, sized.behind << shift)
                ),
                slot.lanewise.eq(source.lanewise),
                slot.repeats.eq(sized.job.row.repeats),
                slot.last.eq(sized.job.errand.last),
                clipped.odd_offset.eq(sized.job.window.odd_offset),
                clipped.errand.eq(sized.job.errand),
            ]
        with m.Elif(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        m.d.comb += self.idle.eq(~(valid.any() | self.o.valid))
        return m
