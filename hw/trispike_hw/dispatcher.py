"""Dispatcher: walks a layer's loops and hands work items to lanes and TSA rows."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from .architecture import Architecture
from .delivery import SlotDelivery
from .lane_picker import LanePicker
from .layout import PROGRAM_BITS, LayerOutput, LayerOutputSteps, LayerShape, LayerTiles, Mode, slot
from .lone_clip import LoneClip
from .loops import LoopCounter
from .segment_mover import SegmentMover
from .segment_reader import SegmentReader
from .tsa_layout import assignment, item_context
from .window import WindowClip


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
    context, through their cluster's stream, and one clipped slot per segment. All items of a pooling window go to one
    lane, which queues them.
    Latency: about 13 cycles and three per segment to the first slot. Throughput: one item in three cycles with one
    segment, two cycles per segment with several, and one cycle more per clipped kernel row; contexts go out one a
    cycle, in order of the lanes' numbers, so that in tile mode an item takes at least a cycle more than it has lanes.
    Back-pressure: waits for lanes and rows; an item waits for the contexts of the one before. `idle` is high when all
    items have been handed over. Reset: idle.
    """

    def __init__(self, arch: Architecture):
        self._arch = arch
        super().__init__(
            {
                "header": In(LayerHeader),
                "start": In(1),
                "segments": In(range(arch.program_words)),
                "program_enable": Out(1),
                "program_address": Out(range(arch.program_words)),
                "program_data": In(PROGRAM_BITS),  # one cycle after its address, and until the next `program_enable`
                "hungry": In(arch.lanes),
                "o_slot": Out(stream.Signature(slot(arch))).array(arch.lanes),
                "o_context": Out(stream.Signature(assignment(arch))).array(arch.clusters),
                "idle": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        arch = self._arch
        header = self.header
        shape = header.layer

        m.submodules.loops = loops = LoopCounter()
        m.submodules.mover = mover = SegmentReader(arch) if arch.lone_lane else SegmentMover(arch)
        m.submodules.clip = clip = LoneClip(arch) if arch.lone_lane else WindowClip(arch)
        wiring.connect(m, mover.o, clip.i)
        turn, turning = Signal(mover.i.payload.shape()), Signal()  # on its way to the mover
        chosen = Signal(arch.lanes)  # lanes that get the item
        segment = Signal(range(arch.max_segments))
        m.d.comb += [
            loops.counts.eq(Cat(shape.window_x, shape.window_y, shape.out_x, shape.out_y, header.tiles.passes)),
            mover.start.eq(self.start),
            mover.segments.eq(self.segments),
            mover.count.eq(shape.segments),
            mover.program_data.eq(self.program_data),
            self.program_enable.eq(mover.program_enable),
            self.program_address.eq(mover.program_address),
            mover.i.payload.eq(turn),
            mover.i.valid.eq(turning),
        ]
        with m.If(mover.i.ready):
            m.d.sync += turning.eq(0)
        last_segment = segment + 1 == shape.segments

        m.submodules.delivery = delivery = SlotDelivery(arch)
        wiring.connect(m, clip.o, delivery.i)
        m.submodules.picker = picker = LanePicker(arch)
        m.d.comb += [
            delivery.tile_mode.eq(shape.tile_mode),
            picker.hungry.eq(self.hungry),
            picker.arrived.eq(delivery.arrived),
        ]
        for port, inner in zip(self.o_slot, delivery.o, strict=True):
            wiring.connect(m, inner, wiring.flipped(port))

        in_last = Signal(arch.lanes)  # lanes of the last pass, in tile mode
        choice, send = Signal(arch.lanes), Signal()
        m.d.sync += [in_last[lane].eq(lane < header.tiles.last_lanes) for lane in range(arch.lanes)]
        working = in_last | (~loops.last_pass).replicate(arch.lanes)
        m.d.comb += choice.eq(Mux(shape.tile_mode, working, Mux(loops.first_of_window, picker.pick, chosen)))
        contexts_wait = self._contexts(m, loops, choice, chosen, send)

        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += [self.idle.eq(1), loops.restart.eq(1)]
                with m.If(self.start):
                    m.d.sync += segment.eq(0)
                    m.next = "CHOOSE"
            found = picker.found if arch.spread else picker.pick.any()
            anybody = shape.tile_mode | ~loops.first_of_window | found
            with m.State("CHOOSE"), m.If(~contexts_wait & anybody):
                m.d.comb += [send.eq(1), picker.picked.eq(loops.first_of_window & ~shape.tile_mode)]
                m.d.sync += chosen.eq(choice)
                m.next = "SEGMENTS"
            with m.State("SEGMENTS"), m.If(~turning):
                m.d.sync += [
                    turning.eq(1),
                    turn.segment.eq(segment),
                    turn.at_start.eq(loops.at_start),
                    turn.level.eq(loops.level),
                    turn.errand.lanes.eq(chosen),
                    turn.errand.last.eq(last_segment),
                    turn.errand.last_of_window.eq(loops.last_of_window),
                    segment.eq(segment + 1),
                ]
                with m.If(last_segment):
                    m.d.sync += segment.eq(0)
                    m.d.comb += loops.advance.eq(~loops.at_end)
                    m.next = "FOLLOW"
                    with m.If(loops.at_end):
                        m.next = "DRAIN"
            with m.State("FOLLOW"):
                m.next = "CHOOSE"
            with m.State("DRAIN"), m.If(~turning & mover.idle & clip.idle & delivery.idle & ~contexts_wait):
                m.next = "IDLE"
        return m

    def _contexts(self, m: Module, loops: LoopCounter, choice: Value, chosen: Signal, send: Signal) -> Value:
        """Sends the contexts of an item to the rows of the lanes of `choice` when `send` says so; returns whether any
        still waits. While it does, `chosen` holds that choice."""
        arch, header = self._arch, self.header
        shape = header.layer
        address, constants = Signal(18), Signal(16)
        with m.If(self.start):
            m.d.sync += [address.eq(header.output.address), constants.eq(header.tiles.constants)]
        moved = Signal()  # a loop has advanced in the cycle before
        m.d.sync += moved.eq(loops.advance)
        with m.If(moved), m.Switch(loops.level):
            with m.Case(2):
                m.d.sync += address.eq(address + header.output.step_x)
            with m.Case(3):
                m.d.sync += address.eq(address + header.steps.step_y)
            with m.Case(4):
                m.d.sync += address.eq(address + header.steps.step_tile)
                m.d.sync += constants.eq(constants + Mux(shape.tile_mode, arch.lanes, 1))

        # One lane after the other. Several are 0, 1, ... in tile mode, so that counting gives what each has to add.
        context, gone = Signal(item_context(arch)), Signal()
        due, offset = Signal(arch.lanes), Signal(range(max(2, arch.lanes)))  # Verilog has no signal without bits
        lanes = arch.cluster_lanes
        number = [
            Cat(bit for lane, bit in enumerate(due) if lane % lanes >> place & 1).any()
            for place in range((lanes - 1).bit_length())
        ]
        for cluster, port in enumerate(self.o_context):
            m.d.comb += [
                port.valid.eq(due[cluster * lanes :][:lanes].any()),
                port.payload.lane.eq(Cat(number)),
                port.payload.context.eq(context),
                port.payload.context.address.eq(context.address + offset),
                port.payload.context.constants.eq(context.constants + offset),
            ]
        m.d.comb += gone.eq(Cat(port.valid & port.ready for port in self.o_context).any())
        with m.If(gone):
            m.d.sync += due.eq((due << 1) & chosen)
            if not arch.lone_lane:
                m.d.sync += offset.eq(offset + 1)
        with m.If(send):
            m.d.sync += [
                due.eq(choice & ~(choice << 1)),
                offset.eq(0),
                context.address.eq(address),
                context.constants.eq(constants),
                context.use_bias.eq(loops.first_pixel | (shape.mode != Mode.LOGITS)),
                context.first.eq(loops.first_of_window),
                context.last.eq(loops.last_of_window),
            ]
        if not arch.spread:
            return due.any()
        wait = Signal()  # the same, in a register
        with m.If(gone):
            m.d.sync += wait.eq(((due << 1) & chosen).any())
        with m.If(send):
            m.d.sync += wait.eq(1)
        return wait
