"""Sequencer: runs the layers of a program one after the other, then has the answer sent, if there is one."""

from amaranth.hdl import Array, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .architecture import Architecture
from .dispatcher import LayerHeader
from .layout import HEADER_WORDS, PROGRAM_BITS, SEGMENT_WORDS, Mode

assert SEGMENT_WORDS == 9  # the pointer's step below is written as 8 + 1, so that no multiplier comes of it


class Sequencer(wiring.Component):
    """Reads layer headers, starts the dispatcher, waits for the layer's end.

    Function: on `run`, walks the program from word 0. A layer ends when the dispatcher has handed over all items and
    `quiet` says that nothing is in flight behind it, and begins when its weights are ready. `layer_done` pulses with
    the layer's number. After the last layer, if that has an answer, it pulses `answer` with the number of classes and
    waits for `answered`. `finished` pulses at the end of a run. Both wait for `counted`, so that a host that has the
    last word can read all counters.
    Latency: seven cycles from the end of a layer to the dispatcher's start. No back-pressure. Reset: idle.
    """

    def __init__(self, arch: Architecture):
        self._arch = arch
        super().__init__(
            {
                "run": In(1),
                "busy": Out(1),
                "program_address": Out(range(arch.program_words)),
                "program_data": In(PROGRAM_BITS),  # one cycle after its address
                "reads_program": Out(1),  # the program memory's port is the sequencer's, not the dispatcher's
                "header": Out(LayerHeader),
                "segments": Out(range(arch.program_words)),
                "weights_ready": In(1),  # of layer `layer`
                "start": Out(1),
                "dispatched": In(1),
                "quiet": In(1),
                "layer": Out(range(arch.max_layers)),
                "layer_done": Out(1),
                "answer": Out(1),
                "classes": Out(16),
                "answered": In(1),
                "counted": In(1),
                "finished": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        arch = self._arch
        pointer = Signal(range(arch.program_words))
        index = Signal(range(HEADER_WORDS + 1))  # header words asked for
        words = Signal(HEADER_WORDS * PROGRAM_BITS, reset_less=True)
        tiles = Signal(13)
        still, settled = Signal(), Signal(2)  # nothing was under way in the cycle before, and in those before it
        ready = Signal()  # a layer's header has been read for longer than this takes
        m.d.sync += [still.eq(self.dispatched & self.quiet), ready.eq(self.weights_ready)]

        m.d.comb += [
            self.header.eq(words),
            self.segments.eq(pointer + HEADER_WORDS),
            self.program_address.eq(pointer + index),
        ]
        shape, tiling = self.header.layer, self.header.tiles
        first_tile = self.header.output.address[: len(tiling.passes)]
        # Registers: a layer's header stands long before its answer is sent.
        m.d.sync += [
            tiles.eq(
                Mux(shape.tile_mode, ((tiling.passes - 1) << (arch.lanes - 1).bit_length()) + tiling.last_lanes,
                    tiling.passes)
            ),
            # The last layer may be the last part of a layer: its output address is then the number of its first tile.
            self.classes.eq(
                ((first_tile + tiles - 1) << (arch.columns - 1).bit_length()) + shape.last_columns
            ),
        ]  # fmt: skip

        with m.FSM() as fsm:
            m.d.comb += self.busy.eq(~fsm.ongoing("IDLE"))
            with m.State("IDLE"), m.If(self.run):
                m.d.sync += [pointer.eq(0), index.eq(0), self.layer.eq(0)]
                m.next = "HEADER"
            with m.State("HEADER"):
                m.d.comb += self.reads_program.eq(1)
                m.d.sync += index.eq(index + 1)
                with m.If(index != 0):
                    m.d.sync += Array(words.word_select(i, PROGRAM_BITS) for i in range(HEADER_WORDS))[
                        (index - 1)[:2]
                    ].eq(self.program_data)
                with m.If(index == HEADER_WORDS):
                    m.next = "START"
            with m.State("START"):
                m.d.sync += [index.eq(0), settled.eq(0)]
                with m.If(ready):
                    m.d.comb += self.start.eq(1)
                    m.next = "LAYER"
            with m.State("LAYER"):
                # Quiet for four cycles: what the dispatcher handed over last has then reached the rows.
                m.d.sync += settled.eq(Mux(still, settled + 1, 0))
                with m.If(settled.all() & still):
                    m.d.comb += self.layer_done.eq(1)
                    m.d.sync += [
                        self.layer.eq(self.layer + 1),
                        pointer.eq(self.segments + (shape.segments << 3) + shape.segments),
                    ]
                    m.next = "HEADER"
                    with m.If(shape.last_layer):
                        m.next = "END"
                        with m.If(shape.mode == Mode.LOGITS):
                            m.next = "ANSWER"
            with m.State("ANSWER"), m.If(self.counted):
                m.d.comb += self.answer.eq(1)
                m.next = "WAIT"
            with m.State("WAIT"), m.If(self.answered):
                m.d.comb += self.finished.eq(1)
                m.next = "IDLE"
            with m.State("END"), m.If(self.counted):
                m.d.comb += self.finished.eq(1)
                m.next = "IDLE"
        return m
