"""The dense array: rows of pixels, columns of output channels, one product of each element a cycle."""

from itertools import pairwise

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from trispike_hw.ports import BLOCK_RAM, WritePort
from trispike_hw.round_robin import selected

from .loops import LEVELS, Loops, Place
from .processing_element import ACTIVATION_BITS, STAGES, WEIGHT_BITS, DenseElement

WORD = 8  # channels of an activation word, and rows that take turns at the memory
ACCUMULATOR_BITS = 26  # 64 x 3 x 3 products of 8 x 8 bits
QUANTISED = 4  # results that are quantised in a cycle
MEMORY_LATENCY = 2


class DenseArray(wiring.Component):
    """R = 8 rows x C columns that work in lockstep, each row a cycle behind the one before it.

    Function: every row holds a pixel and takes a word of eight channels from the activation memory when its turn comes,
    each eighth cycle; each cycle all rows use the same weight row one after the other, passed on from row to row. After
    a pass over a window the sums are scaled by a power of two, clipped to 0..255 and written back.
    Left out, to the rival's favour: host port, program memory, sequencer, registers, weights from outside, residual
    sums, scales that are no powers of two. Windows outside the map read as zero. Throughput: R x C products a cycle,
    in passes of at least R * C / 4 cycles. Reset: idle.
    """

    def __init__(self, columns: int = 16, activation_words: int = 12288, weight_rows: int = 4096, tiles: int = 256):
        self._columns, self._tiles = columns, tiles
        self._weight_rows = weight_rows
        word, row = unsigned(WORD * ACTIVATION_BITS), unsigned(columns * WEIGHT_BITS)
        biases = tiles * columns // QUANTISED
        self.activation_memory = memory.Memory(shape=word, depth=activation_words, init=[], attrs=BLOCK_RAM)
        self.weight_memory = memory.Memory(shape=row, depth=weight_rows, init=[], attrs=BLOCK_RAM)
        self.bias_memory = memory.Memory(
            shape=unsigned(QUANTISED * ACCUMULATOR_BITS), depth=biases, init=[], attrs=BLOCK_RAM
        )
        super().__init__(
            {
                "weights": In(WritePort(range(weight_rows), row)),
                "activations": In(WritePort(range(activation_words), word)),
                "biases": In(WritePort(range(biases), unsigned(QUANTISED * ACCUMULATOR_BITS))),
                "start": In(1),
                "counts": In(data.ArrayLayout(10, LEVELS)),
                "begin": In(Place),
                "changes": In(data.ArrayLayout(Place, LEVELS)),
                "row_step": In(Place),  # from a row's pixel to the next row's
                "width": In(10),
                "height": In(10),
                "weight_begin": In(range(weight_rows)),
                "pass_rows": In(range(weight_rows)),
                "output": In(range(activation_words)),  # where the output starts
                "output_pitch": In(8),  # words of an output pixel; even, like `output`
                "scale": In(5),
                "busy": Out(1),
                "written": Out(WritePort(range(activation_words), word)),  # what goes back, or synthesis drops it all
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.loops = loops = Loops()
        phase = Signal(range(WORD))
        m.d.comb += [
            loops.start.eq(self.start),
            loops.counts.eq(self.counts),
            loops.begin.eq(self.begin),
            loops.changes.eq(self.changes),
            loops.advance.eq(phase == WORD - 1),
        ]
        with m.If(loops.running):
            m.d.sync += phase.eq(phase + 1)

        # One read a cycle: row `phase` gets the word of its own pixel.
        row_place, place = Signal(Place), Signal(Place)
        for name in ("address", "x", "y"):
            m.d.comb += place[name].eq(Mux(phase == 0, loops.place[name], row_place[name]))
            m.d.sync += row_place[name].eq(place[name] + self.row_step[name])
        m.submodules.activation_memory = words = self.activation_memory
        read, put = words.read_port(), words.write_port()
        inside = Signal()
        word = Signal(WORD * ACTIVATION_BITS)
        m.d.comb += read.addr.eq(place.address)
        m.d.sync += [
            inside.eq((place.x >= 0) & (place.x < self.width) & (place.y >= 0) & (place.y < self.height)),
            word.eq(Mux(inside, read.data, 0)),
        ]

        # Weight rows in order, the same ones for every pass of a tile.
        m.submodules.weight_memory = rows = self.weight_memory
        fill, fetch = rows.write_port(), rows.read_port()
        tile_row, weight_at = Signal(range(self._weight_rows)), Signal(range(self._weight_rows))
        m.d.comb += [
            fill.en.eq(self.weights.enable), fill.addr.eq(self.weights.address), fill.data.eq(self.weights.data),
            fetch.addr.eq(weight_at),
        ]  # fmt: skip
        next_tile = Signal.like(tile_row)
        m.d.comb += next_tile.eq(Mux(loops.last_pass_of_tile, tile_row + self.pass_rows, tile_row))
        with m.If(loops.running):
            m.d.sync += weight_at.eq(weight_at + 1)
            with m.If(loops.last & (phase == WORD - 1)):
                m.d.sync += [tile_row.eq(next_tile), weight_at.eq(next_tile)]
        with m.If(self.start):
            m.d.sync += [tile_row.eq(self.weight_begin), weight_at.eq(self.weight_begin)]

        # What row 0 does in a cycle; every further row does it a cycle later.
        order = data.StructLayout({"load": 1, "first": 1, "last": 1, "last_of_tile": 1})
        marks = [Signal(order, name=f"mark{stage}") for stage in range(MEMORY_LATENCY + 1)]
        m.d.comb += [
            marks[0].load.eq(phase == 0),
            marks[0].first.eq(loops.running & loops.first & (phase == 0)),
            marks[0].last.eq(loops.running & loops.last & (phase == WORD - 1)),
            marks[0].last_of_tile.eq(loops.last_pass_of_tile),
        ]
        weight_row = Signal(self._columns * WEIGHT_BITS)
        m.d.sync += [later.eq(earlier) for earlier, later in pairwise(marks)]
        m.d.sync += weight_row.eq(fetch.data)
        results, mark = [], marks[-1]
        for row in range(WORD):
            held = Signal(WORD * ACTIVATION_BITS, name=f"held{row}")
            weights, used = Signal.like(weight_row, name=f"weights{row}"), Signal(order, name=f"used{row}")
            m.d.sync += [
                held.eq(Mux(mark.load, word, held >> ACTIVATION_BITS)),
                weights.eq(weight_row),
                used.eq(mark),
            ]
            for column in range(self._columns):
                m.submodules[f"pe{row}_{column}"] = element = DenseElement(ACCUMULATOR_BITS)
                m.d.comb += [
                    element.activation.eq(held[:ACTIVATION_BITS]),
                    element.weight.eq(weights.word_select(column, WEIGHT_BITS).as_signed()),
                    element.first.eq(used.first),
                    element.last.eq(used.last),
                ]
                results.append(element.result)
            weight_row, mark = weights, used
        finished = Signal(data.ArrayLayout(order, STAGES + 1))  # what row 0 has results of
        m.d.sync += finished[0].eq(marks[-1])
        m.d.sync += [finished[stage + 1].eq(finished[stage]) for stage in range(STAGES)]
        under_way = Cat(stage.last for stage in (*marks, *finished)).any()
        quantising = self._quantise(m, results, finished[STAGES], put)
        m.d.comb += self.busy.eq(loops.running | under_way | quantising)
        return m

    def _quantise(self, m: Module, results: list[Signal], finished: data.View, put: memory.WritePort) -> Value:
        """Sums to activations, QUANTISED a cycle, row by row, and these to the output's words; whether any is under
        way."""
        groups = self._columns // QUANTISED
        turn, active = Signal(range(WORD * groups)), Signal()
        tile, last_of_tile = Signal(range(self._tiles)), Signal()
        m.submodules.bias_memory = biases = self.bias_memory
        fill, bias = biases.write_port(), biases.read_port()
        ended = active & (turn == WORD * groups - 1)
        m.d.comb += [
            fill.en.eq(self.biases.enable),
            fill.addr.eq(self.biases.address),
            fill.data.eq(self.biases.data),
            bias.addr.eq(Cat(turn[: (groups - 1).bit_length()], tile)),
        ]
        m.d.sync += turn.eq(turn + active)
        with m.If(ended):
            m.d.sync += [active.eq(0), tile.eq(tile + last_of_tile)]
        with m.If(finished.last):
            m.d.sync += [active.eq(1), last_of_tile.eq(finished.last_of_tile)]

        # Choose, add the bias, scale and clip: a stage each.
        chosen = Signal(QUANTISED * ACCUMULATOR_BITS)
        biased = Signal(data.ArrayLayout(signed(ACCUMULATOR_BITS), QUANTISED))
        clipped, earlier = Signal(QUANTISED * ACTIVATION_BITS), Signal(QUANTISED * ACTIVATION_BITS)
        stage = data.StructLayout({"valid": 1, "ends_tile": 1})
        stages = [Signal(stage, name=f"stage{number}") for number in range(4)]
        m.d.comb += [stages[0].valid.eq(active), stages[0].ends_tile.eq(ended & last_of_tile)]
        m.d.sync += [later.eq(before) for before, later in pairwise(stages)]
        turns = range(WORD * groups)
        m.d.sync += chosen.eq(
            selected(
                Cat(turn == number for number in turns),
                (Cat(results[number * QUANTISED : (number + 1) * QUANTISED]) for number in turns),
            )
        )
        for number in range(QUANTISED):
            total = chosen.word_select(number, ACCUMULATOR_BITS).as_signed()
            scaled = Signal(signed(ACCUMULATOR_BITS), name=f"scaled{number}")
            m.d.comb += scaled.eq(biased[number] >> self.scale)
            m.d.sync += [
                biased[number].eq(total + bias.data.word_select(number, ACCUMULATOR_BITS).as_signed()),
                clipped.word_select(number, ACTIVATION_BITS).eq(
                    Mux(scaled < 0, 0, Mux(scaled > 255, 255, scaled[:ACTIVATION_BITS]))
                ),
            ]

        # Two of these are a word; two words a pixel of a tile of 16 channels.
        half, stored, tile_begin = Signal(), Signal.like(put.addr), Signal.like(put.addr)
        complete = stages[-1].valid & half
        m.d.comb += [
            put.en.eq(self.activations.enable | complete),
            put.addr.eq(Mux(self.activations.enable, self.activations.address, stored)),
            put.data.eq(Mux(self.activations.enable, self.activations.data, Cat(earlier, clipped))),
        ]
        m.d.comb += [
            self.written.enable.eq(complete),
            self.written.address.eq(stored),
            self.written.data.eq(Cat(earlier, clipped)),
        ]
        with m.If(stages[-1].valid):
            m.d.sync += [half.eq(~half), earlier.eq(clipped)]
        with m.If(complete):
            m.d.sync += stored.eq(Mux(stored[0], stored + self.output_pitch - 1, stored + 1))
            with m.If(stages[-1].ends_tile):
                m.d.sync += [stored.eq(tile_begin + 2), tile_begin.eq(tile_begin + 2)]
        with m.If(self.start):
            m.d.sync += [tile.eq(0), stored.eq(self.output), tile_begin.eq(self.output), half.eq(0)]
        return Cat(each.valid for each in stages).any()
