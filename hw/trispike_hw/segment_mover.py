"""Positions of a layer's segments: read out of the program once, then moved from item to item."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from .architecture import Architecture
from .carry_chains import TernaryAdder
from .dispatch_layout import position_part, row_part, source_part, turn, window_job, window_part
from .layout import (
    LOOP_LEVELS,
    PROGRAM_BITS,
    SEGMENT_WORDS,
    Position,
    SegmentRow,
    SegmentSource,
    SegmentWindow,
)

POSITION = SEGMENT_WORDS - LOOP_LEVELS - 1  # word of a segment that holds its first position
CHANGES = SEGMENT_WORDS - LOOP_LEVELS  # word of a segment that holds the change of loop level 0


class SegmentMover(wiring.Component):
    """Turns into windows: the description of a segment and where its window now stands.

    Function: on `start` copies the descriptions of `count` segments, which stand from program word `segments` on, to a
    memory beside the positions. Then every turn reads one program word, the first position or the change of a loop
    level, and adds it to the segment's position. Turns come in order of the segments, item by item.
    Latency: three cycles from a turn to its window; three cycles per segment after `start`. Throughput: one window in
    two cycles, which is what `WindowClip` takes. Back-pressure: everything stands while a window is at `o`, whether it
    is taken or not: `ready` of what follows would reach every register here. `idle`: no window is under way. Reset:
    idle, no turn taken.
    """

    def __init__(self, arch: Architecture):
        self._arch = arch
        super().__init__(
            {
                "start": In(1),
                "segments": In(range(arch.program_words)),
                "count": In(4),
                "program_enable": Out(1),
                "program_address": Out(range(arch.program_words)),
                "program_data": In(PROGRAM_BITS),  # one cycle after its address, and until the next `program_enable`
                "i": In(stream.Signature(turn(arch))),
                "o": Out(stream.Signature(window_job(arch))),
                "idle": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        arch = self._arch
        go = Signal()  # the stages move on
        base = Signal(range(arch.program_words))  # program word of the segment at hand
        loading, loaded = Signal(3), Signal()  # description word asked for, one bit each; the layer's are all asked for
        segment = Signal(range(arch.max_segments))  # of which they are asked for
        last_segment = Signal()
        taken = self.i.valid & self.i.ready

        m.d.comb += [
            go.eq(~self.o.valid),
            self.i.ready.eq(go & loaded),
            self.program_enable.eq(go),
            last_segment.eq(segment + 1 == self.count),
            self.program_address.eq(
                base
                + Mux(
                    loaded,
                    Mux(self.i.payload.at_start, POSITION, CHANGES + self.i.payload.level),
                    Cat(loading[1], loading[2]),
                )
            ),
        ]
        with m.If(self.start):
            m.d.sync += [base.eq(self.segments), segment.eq(0), loading.eq(1), loaded.eq(0)]
        with m.Elif(go & loading.any()):
            m.d.sync += loading.eq(loading.rotate_left(1))
            with m.If(loading[2]):
                m.d.sync += [segment.eq(segment + 1), base.eq(base + SEGMENT_WORDS)]
                with m.If(last_segment):
                    m.d.sync += [loading.eq(0), loaded.eq(1), base.eq(self.segments)]
        with m.Elif(taken):
            m.d.sync += base.eq(Mux(self.i.payload.errand.last, self.segments, base + SEGMENT_WORDS))

        # Two stages while the program word comes: the memory's, and a register, for the memory's own output is slow.
        stage = data.StructLayout({"load": 3, "segment": segment.shape(), "turn": turn(arch)})
        reading, arrived = Signal(stage, reset_less=True), Signal(stage, reset_less=True)
        reading_valid, arrived_valid = Signal(), Signal()
        word = Signal(PROGRAM_BITS, reset_less=True)
        window = Signal(window_job(arch), reset_less=True)
        m.d.comb += self.o.payload.eq(window)
        with m.If(go):
            m.d.sync += [
                reading_valid.eq(taken),
                arrived_valid.eq(reading_valid),
                reading.load.eq(loading),
                reading.segment.eq(Mux(loaded, self.i.payload.segment, segment)),
                reading.turn.eq(self.i.payload),
                arrived.eq(reading),
                word.eq(self.program_data),
            ]

        parts = ((SegmentSource, source_part), (SegmentWindow, window_part), (SegmentRow, row_part))
        for index, (name, (layout, part)) in enumerate(zip(("source", "window", "row"), parts, strict=True)):
            m.submodules[name] = kept = memory.Memory(shape=part(arch), depth=arch.max_segments, init=[])
            put, get = kept.write_port(), kept.read_port(domain="comb")
            m.d.comb += [
                put.addr.eq(arrived.segment),
                put.en.eq(arrived.load[index] & go),
                get.addr.eq(arrived.segment),
                *(put.data[field].eq(layout(word)[field]) for field, _ in part(arch)),
            ]
            with m.If(go):
                m.d.sync += window[name].eq(get.data)

        m.submodules.positions = positions = memory.Memory(shape=position_part(arch), depth=arch.max_segments, init=[])
        put, get = positions.write_port(), positions.read_port(domain="comb")
        given = Position(word[: Position.as_shape().size])
        m.d.comb += [put.addr.eq(arrived.segment), get.addr.eq(arrived.segment), put.en.eq(arrived_valid & go)]
        for name, field in position_part(arch):
            m.submodules[f"move_{name}"] = adder = TernaryAdder(field.width)
            m.d.comb += [
                adder.a.eq(given[name]),
                adder.b.eq(get.data[name]),
                adder.valid.eq(~arrived.turn.at_start),
                put.data[name].eq(adder.sum),
            ]
        with m.If(go):
            m.d.sync += [
                self.o.valid.eq(arrived_valid),
                window.position.eq(put.data),
                window.errand.eq(arrived.turn.errand),
            ]
        with m.Elif(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        m.d.comb += self.idle.eq(~(reading_valid | arrived_valid | self.o.valid))
        return m
