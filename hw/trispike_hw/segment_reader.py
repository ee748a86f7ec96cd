"""Positions of a layer's segments for a lane alone: read out of the program anew for every item."""

from amaranth.hdl import Cat, Module, Mux, Signal

from .dispatch_layout import position_part
from .layout import SEGMENT_WORDS, Position, SegmentRow, SegmentSource, SegmentWindow
from .segment_mover import CHANGES, POSITION, SegmentMover


class SegmentReader(SegmentMover):
    """Does what `SegmentMover` does, with few cells and in more cycles: a lane alone asks for windows rarely.

    Function: of every turn it reads the three words of the segment's description and the word that its position starts
    from or is moved by, and keeps nothing but the positions. In no cycle but those does it want the program memory.
    Positions stand in a ring that turns by one with every segment, and on to the layer's first one behind the last.
    Latency: five cycles from a turn to its window. Throughput: a window in six cycles at most, and max_segments less
    the layer's segments more behind an item. Back-pressure: the turn waits until `o` has been taken. `idle`: no window
    is under way. Reset: idle, no turn taken. `count` does not matter.
    """

    def elaborate(self, platform):
        m = Module()
        arch = self._arch
        base = Signal(range(arch.program_words))  # program word of the segment at hand
        asked = Signal(POSITION + 1)  # which word was asked for in the cycle before, one bit each
        asking = Signal(POSITION + 1)  # which one is asked for now
        skip = Signal(range(arch.max_segments + 1))  # places of the ring that this layer does not use
        skipping = skip != 0
        done = self.o.valid & self.o.ready
        given = self.i.payload

        m.d.sync += asked.eq(asking)
        with m.If(asked.any()):
            m.d.comb += asking.eq(asked << 1)
        with m.Elif(self.i.valid & ~self.o.valid & ~skipping):
            m.d.comb += asking.eq(1)
        m.d.comb += [
            self.program_enable.eq(asking.any()),
            self.program_address.eq(
                base
                + Mux(
                    asking[POSITION],
                    Mux(given.at_start, POSITION, CHANGES + given.level),
                    Cat(asking[1], asking[2]),
                )
            ),
            self.i.ready.eq(done),
            self.idle.eq(~(asked.any() | self.o.valid)),
            self.o.payload.errand.eq(given.errand),
        ]
        with m.If(self.start):
            m.d.sync += base.eq(self.segments)
        with m.Elif(done):
            m.d.sync += base.eq(Mux(given.errand.last, self.segments, base + SEGMENT_WORDS))

        parts = (("source", SegmentSource), ("window", SegmentWindow), ("row", SegmentRow))
        for index, (name, layout) in enumerate(parts):
            with m.If(asked[index]):
                m.d.sync += [
                    self.o.payload[name][field].eq(layout(self.program_data)[field])
                    for field, _ in self.o.payload[name].shape()
                ]

        ring = [Signal(position_part(arch), name=f"position{place}") for place in range(arch.max_segments)]
        moved = Signal(position_part(arch))
        change = Position(self.program_data[: Position.as_shape().size])
        m.d.comb += [
            moved.eq(ring[0]),
            self.o.payload.position.eq(ring[-1]),
        ]
        with m.If(~skipping):
            m.d.comb += [
                moved[field].eq(change[field] + Mux(given.at_start, 0, ring[0][field]))
                for field, _ in position_part(arch)
            ]
        with m.If(asked[POSITION] | skipping):
            m.d.sync += [place.eq(behind) for place, behind in zip(ring, [*ring[1:], moved], strict=True)]
        with m.If(done & given.errand.last):
            m.d.sync += skip.eq(arch.max_segments - 1 - given.segment)
        with m.Elif(skipping):
            m.d.sync += skip.eq(skip - 1)
        with m.If(asked[POSITION]):
            m.d.sync += self.o.valid.eq(1)
        with m.Elif(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        return m
