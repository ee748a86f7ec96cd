"""Clips a segment's window to its source tensor for a lane alone, one window after the other."""

from amaranth.hdl import Module, Mux, Signal, signed

from .window import WindowClip


class LoneClip(WindowClip):
    """Does what `WindowClip` does with fewer registers, for a lane alone takes longer to walk a window than this does.

    Function: `i` waits until its window has left, so that no stage has to keep what stands there, and no register
    follows the last stage. Latency: four cycles and one per dropped row. Throughput: a window in five cycles, and one
    cycle more per dropped row. Back-pressure: the window stands while `o` waits. `idle`: no window is inside. Reset:
    empty.
    """

    def elaborate(self, platform) -> Module:
        m = Module()
        arch = self._arch
        shift = (arch.columns - 1).bit_length()
        job = self.i.payload
        position, source, window = job.position, job.source, job.window
        edged, cut, counted, sized = Signal(), Signal(), Signal(), Signal()  # stages that the window has behind it

        # First stage: the window's edges; it stays here while kernel rows are dropped.
        address, next_step = Signal(arch.spike_address_bits), Signal(arch.spike_address_bits)
        weight, rows = Signal(arch.weight_address_bits), Signal(8)
        y, y_last = Signal(signed(12)), Signal(signed(12))
        begin, end = Signal(18), Signal(signed(20))  # bits of the window inside the source, from the first on
        dropping = Signal()
        above, below = y < 0, y_last >= window.height
        m.d.comb += dropping.eq(edged & ~cut & (rows != 0) & (above | below))
        with m.If(~edged):
            m.d.sync += [
                address.eq(position.row),
                next_step.eq(source.plane - job.row.rewind),
                weight.eq(position.weight),
                rows.eq(source.rows),
                y.eq(position.y),
                y_last.eq(position.y + job.row.span),
                begin.eq(Mux(position.bit < 0, 0, position.bit)),
                end.eq(position.bit + window.bit_length),
            ]
        with m.Elif(dropping):
            m.d.sync += [rows.eq(rows - 1), next_step.eq(next_step + source.pitch)]
            with m.If(above):
                m.d.sync += [
                    y.eq(y + source.dilation),
                    address.eq(address + source.pitch),
                    weight.eq(weight + window.weight_pitch),
                ]
            with m.Else():
                m.d.sync += y_last.eq(y_last - source.dilation)

        # Second stage: the bit behind the last one inside the source. Third: the last one, and the weight row of the
        # first word, counted from the window's first bit, or from the word that holds it.
        finish, last_bit, empty = Signal(18), Signal(18), Signal()
        first_weight, first_word = Signal.like(weight), begin[shift:]
        offset = Mux(source.lanewise, first_word - (position.bit >> shift), (first_word << shift) - position.bit)
        m.d.sync += [
            finish.eq(Mux(end > job.row.row_bits, job.row.row_bits, Mux(end < 0, 0, end))),
            last_bit.eq(finish - 1),
            empty.eq((rows == 0) | (begin >= finish)),
            first_weight.eq(weight + offset),
        ]

        # Fourth stage: how many words a row has.
        first_address, left_rows = Signal.like(address), Signal.like(rows)
        first, last, behind = Signal(shift), Signal(shift), Signal(10)
        m.d.sync += [
            first_address.eq(address + first_word),
            left_rows.eq(Mux(empty, 1, rows)),
            first.eq(Mux(empty, arch.columns - 1, begin[:shift])),
            last.eq(Mux(empty, 0, last_bit[:shift])),
            behind.eq(Mux(empty, 0, last_bit[shift:] - first_word)),
        ]

        leaves = self.o.valid & self.o.ready
        m.d.sync += [
            edged.eq(self.i.valid & ~leaves),
            cut.eq(edged & ~dropping & ~leaves),
            counted.eq(cut & ~leaves),
            sized.eq(counted & ~leaves),
        ]

        slot = self.o.payload.slot
        m.d.comb += [
            self.o.valid.eq(sized),
            self.i.ready.eq(leaves),
            slot.address.eq(first_address),
            slot.next_row.eq(source.pitch - behind),
            slot.next_step.eq(next_step - behind),
            slot.more_rows.eq(left_rows - 2),
            slot.more_words.eq(behind - 1),
            slot.first_bit.eq(first),
            slot.last_bit.eq(last),
            slot.weight.eq(first_weight),
            slot.next_weights.eq(window.weight_pitch - Mux(source.lanewise, behind, behind << shift)),
            slot.lanewise.eq(source.lanewise),
            slot.repeats.eq(job.row.repeats),
            slot.last.eq(job.errand.last),
            self.o.payload.odd_offset.eq(window.odd_offset),
            self.o.payload.errand.eq(job.errand),
            self.idle.eq(~edged),
        ]
        return m
