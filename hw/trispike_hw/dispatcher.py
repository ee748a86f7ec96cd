"""Dispatcher: walks a layer's loops and hands work items to lanes and TSA rows."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from .architecture import Architecture
from .layout import (
    LOOP_LEVELS,
    PROGRAM_BITS,
    SEGMENT_WORDS,
    LayerOutput,
    LayerOutputSteps,
    LayerShape,
    LayerTiles,
    Mode,
    Position,
    SegmentRow,
    SegmentSource,
    SegmentWindow,
    slot,
)
from .loops import LoopCounter
from .ternary_adder import TernaryAdder
from .tsa_layout import item_context
from .window import WindowClip

POSITION = SEGMENT_WORDS - LOOP_LEVELS - 1  # word of a segment that holds its first position
CHANGES = SEGMENT_WORDS - LOOP_LEVELS  # word of a segment that holds the change of loop level 0


class LayerHeader(data.Struct):
    """The four header words of a layer."""

    layer: LayerShape
    tiles: LayerTiles
    output: LayerOutput
    steps: LayerOutputSteps


class Dispatcher(wiring.Component):
    """Turns one layer of the program into work items.

    Function: on `start`, walks the five loops of `header`, with the segments that stand from program word `segments`
    on. For every item it picks the lanes (the next hungry one, or all of them in tile mode), sends them the item's
    context for their TSA row and one clipped slot per segment. All items of a pooling window go to one lane, which
    queues them.
    Latency: about 15 cycles to the first slot. Throughput: one item in about 11 cycles with one segment, 12 per segment
    with several, and one cycle more per clipped kernel row. Back-pressure: waits for lanes and rows. `idle` is high
    when all items have been handed over. Reset: idle.
    """

    def __init__(self, arch: Architecture):
        self._arch = arch
        super().__init__(
            {
                "header": In(LayerHeader),
                "start": In(1),
                "segments": In(range(arch.program_words)),
                "program_address": Out(range(arch.program_words)),
                "program_data": In(PROGRAM_BITS),  # one cycle after its address
                "hungry": In(arch.lanes),
                "o_slot": Out(stream.Signature(slot(arch))).array(arch.lanes),
                "o_context": Out(stream.Signature(item_context(arch))).array(arch.lanes),
                "idle": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        arch = self._arch
        header = self.header
        shape = header.layer

        m.submodules.loops = loops = LoopCounter()
        m.submodules.clip = clip = WindowClip(arch)
        m.submodules.positions = positions = memory.Memory(shape=Position, depth=arch.max_segments, init=[])
        put, get = positions.write_port(), positions.read_port(domain="comb")

        segment = Signal(range(arch.max_segments))
        last_segment = Signal()
        base = Signal(range(arch.program_words))  # program word of the segment at hand
        m.d.comb += [
            last_segment.eq(segment + 1 == shape.segments),
            put.addr.eq(segment),
            get.addr.eq(segment),
            loops.counts.eq(Cat(shape.window_x, shape.window_y, shape.out_x, shape.out_y, header.tiles.passes)),
        ]

        def next_segment():
            """To the next segment, or back to the first after the last."""
            with m.If(last_segment):
                m.d.sync += [segment.eq(0), base.eq(self.segments)]
            with m.Else():
                m.d.sync += [segment.eq(segment + 1), base.eq(base + SEGMENT_WORDS)]

        # Output address and constants of the item.
        address, constants = Signal(18), Signal(16)

        def restart_outputs():
            m.d.sync += [address.eq(header.output.address), constants.eq(header.tiles.constants)]

        def advance_outputs():
            """Follow the loop level that has just advanced."""
            with m.Switch(loops.level):
                with m.Case(2):
                    m.d.sync += address.eq(address + header.output.step_x)
                with m.Case(3):
                    m.d.sync += address.eq(address + header.steps.step_y)
                with m.Case(4):
                    m.d.sync += address.eq(address + header.steps.step_tile)
                    m.d.sync += constants.eq(constants + Mux(shape.tile_mode, arch.lanes, 1))

        # Lanes that get the item.
        working = Signal(arch.lanes)  # lanes of the pass, in tile mode
        partial_lane = Signal(arch.lanes)  # lanes whose tile is the layer's last, in tile mode
        chosen = Signal(arch.lanes)
        m.d.comb += [
            working[lane].eq(~loops.last_pass | (lane < header.tiles.last_lanes)) for lane in range(arch.lanes)
        ] + [
            partial_lane[lane].eq(loops.last_pass & (lane + 1 == header.tiles.last_lanes)) for lane in range(arch.lanes)
        ]
        start_at = Signal(arch.lanes, init=1)  # one-hot: the search for a hungry lane begins here
        doubled = Cat(self.hungry, self.hungry)
        free = Signal(2 * arch.lanes)
        m.d.comb += free.eq(doubled & ~(doubled - start_at))
        pick = Signal(arch.lanes)
        m.d.comb += pick.eq(free[: arch.lanes] | free[arch.lanes :])

        waiting_context = Signal(arch.lanes)
        waiting_slot = Signal(arch.lanes)
        item_slot = Signal(slot(arch))
        odd_weight = Signal(arch.weight_address_bits)
        first_of_tile = Signal()
        m.d.comb += first_of_tile.eq(loops.first_pixel | (shape.mode != Mode.LOGITS))
        for lane in range(arch.lanes):
            context = self.o_context[lane]
            m.d.comb += [
                context.valid.eq(waiting_context[lane]),
                context.payload.address.eq(address + Mux(shape.tile_mode, lane, 0)),
                context.payload.constants.eq(constants + Mux(shape.tile_mode, lane, 0)),
                context.payload.use_bias.eq(first_of_tile),
                context.payload.first.eq(loops.first_of_window),
                context.payload.last.eq(loops.last_of_window),
                self.o_slot[lane].valid.eq(waiting_slot[lane]),
                self.o_slot[lane].payload.eq(item_slot),
                self.o_slot[lane].payload.partial.eq(Mux(shape.tile_mode, partial_lane[lane], loops.last_pass)),
            ]
            if lane % 2:
                m.d.comb += self.o_slot[lane].payload.weight.eq(odd_weight)
            with m.If(context.ready):
                m.d.sync += waiting_context[lane].eq(0)
            with m.If(self.o_slot[lane].ready):
                m.d.sync += waiting_slot[lane].eq(0)

        # A segment's position: the first one out of the program, then the last one and its change.
        word = Signal(PROGRAM_BITS)  # keeps the memory's slow output off the paths behind it
        m.d.sync += word.eq(self.program_data)
        given = Position(word[: Position.as_shape().size])
        for name, field in Position.as_shape():
            m.submodules[f"move_{name}"] = adder = TernaryAdder(field.width)
            m.d.comb += [
                adder.a.eq(given[name]),
                adder.b.eq(get.data[name]),
                adder.valid.eq(~loops.at_start),
                put.data[name].eq(adder.sum),
            ]
        m.d.comb += clip.position.eq(put.data)

        cached = Signal()  # the only segment's description is in the registers of `clip`
        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += self.idle.eq(~(waiting_slot.any() | waiting_context.any()))
                with m.If(self.start):
                    m.d.sync += [base.eq(self.segments), segment.eq(0), cached.eq(0)]
                    m.d.comb += loops.restart.eq(1)
                    restart_outputs()
                    m.next = "CHOOSE"

            with m.State("CHOOSE"):
                with m.If(shape.tile_mode):
                    m.d.sync += chosen.eq(working)
                    m.next = "CONTEXT"
                with m.Elif(~loops.first_of_window):
                    m.next = "CONTEXT"
                with m.Elif(self.hungry.any()):
                    m.d.sync += [chosen.eq(pick), start_at.eq(pick.rotate_left(1))]
                    m.next = "CONTEXT"
            with m.State("CONTEXT"):
                m.d.sync += waiting_context.eq(chosen)
                m.next = "READ SOURCE"
                with m.If(cached):
                    m.next = "READ CHANGE"

            # Four words in four cycles, each captured two cycles after its address.
            with m.State("READ SOURCE"):
                m.d.comb += self.program_address.eq(base)
                m.next = "READ WINDOW"
            with m.State("READ WINDOW"):
                m.d.comb += self.program_address.eq(base + 1)
                m.next = "READ ROW"
            with m.State("READ ROW"):
                m.d.comb += self.program_address.eq(base + 2)
                m.d.sync += clip.source.eq(SegmentSource(word))
                m.next = "READ CHANGE"
            with m.State("READ CHANGE"):
                m.d.comb += self.program_address.eq(base + Mux(loops.at_start, POSITION, CHANGES + loops.level))
                with m.If(~cached):
                    m.d.sync += clip.window.eq(SegmentWindow(word))
                m.next = "CHANGE ARRIVES"
            with m.State("CHANGE ARRIVES"):
                with m.If(~cached):
                    m.d.sync += [clip.row.eq(SegmentRow(word)), cached.eq(shape.segments == 1)]
                m.next = "MOVE"
            with m.State("MOVE"):
                m.d.comb += [put.en.eq(1), clip.start.eq(1)]
                m.next = "CLIP"
            with m.State("CLIP"), m.If(clip.done & ~waiting_slot.any()):
                m.d.sync += [
                    item_slot.eq(clip.slot),
                    item_slot.last.eq(last_segment),
                    odd_weight.eq(clip.slot.weight + Mux(shape.tile_mode, clip.window.odd_offset, 0)),
                    waiting_slot.eq(chosen),
                ]
                next_segment()
                m.next = "READ SOURCE"
                with m.If(last_segment):
                    m.next = "NEXT ITEM"

            # Contexts must have left before the loops move on: they are made of the loops' state.
            with m.State("NEXT ITEM"), m.If(~waiting_context.any() & ~waiting_slot.any()):
                m.next = "IDLE"
                with m.If(~loops.at_end):
                    m.d.comb += loops.advance.eq(1)
                    m.next = "FOLLOW"
            with m.State("FOLLOW"):
                advance_outputs()
                m.next = "CHOOSE"
        return m
