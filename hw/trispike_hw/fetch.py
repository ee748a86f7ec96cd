"""Front of a lane: turns the segments of a work item into a queue of masked, non-empty spike words."""

import itertools

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, fifo, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from .architecture import Architecture
from .layout import slot, spike_word

QUEUE_DEPTH = 16
READ_LATENCY = 2  # of SpikeMemory


def lane_word(arch: Architecture) -> data.StructLayout:
    """A spike word on its way to the event walk, with what the walk needs to know."""
    return data.StructLayout(
        {
            "spikes": spike_word(arch),
            "weight": arch.weight_address_bits,  # weight row of bit 0 (broadcast) or of the word (lanewise)
            "lanewise": 1,
            "partial": 1,  # the tile has only `last_columns` real output channels
            "end": 1,  # the last word of a step: hand z over after it
        }
    )


class Fetch(wiring.Component):
    """Reads the windows of work items, step by step, and queues their words.

    Function: collects the slots of an item (one per segment; two items are held, one running and one waiting), then
    for each of `time_steps` steps walks segments, kernel rows and words, reading one word whenever the wanted bank of
    the spike memory turns up. Bits outside the window are masked; a word left without a spike is dropped, unless it is
    the last of its step, which also carries the end mark.
    Latency: a read takes `READ_LATENCY` cycles, the queue one. Throughput: one word per cycle while addresses are
    consecutive. Back-pressure: reads stop when the queue (with the words under way) is full; `i_slot` is not ready
    while both items are taken. `corrupt` pulses when a word has a channel both positive and negative.
    Reset: empty.
    """

    def __init__(self, arch: Architecture):
        self._arch = arch
        super().__init__(
            {
                "i_slot": In(stream.Signature(slot(arch))),
                "time_steps": In(5),
                "address": Out(arch.spike_address_bits),
                "turn": In(range(arch.banks)),
                "data": In(spike_word(arch)),
                "o": Out(stream.Signature(lane_word(arch))),
                "corrupt": Out(1),
                "idle": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        arch = self._arch
        columns = arch.columns
        bank_bits = (arch.banks - 1).bit_length()
        index_bits = (arch.max_segments - 1).bit_length()

        # Slots of two items; the address of each has a memory of its own because it moves on with every step.
        m.submodules.slots = slots = memory.Memory(shape=slot(arch), depth=2 << index_bits, init=[])
        m.submodules.bases = bases = memory.Memory(shape=arch.spike_address_bits, depth=2 << index_bits, init=[])
        put, get = slots.write_port(), slots.read_port(domain="comb")
        base_put, base_get = bases.write_port(), bases.read_port(domain="comb")

        filled = Signal(2)  # items complete in memory
        put_item, get_item = Signal(), Signal()
        put_index, get_index = Signal(index_bits), Signal(index_bits)

        load = Signal()  # take the next slot into the working registers
        here = get.data
        m.d.comb += [
            get.addr.eq(Cat(get_index, get_item)),
            base_get.addr.eq(get.addr),
            put.addr.eq(Cat(put_index, put_item)),
            put.data.eq(self.i_slot.payload),
            put.en.eq(self.i_slot.valid & self.i_slot.ready),
            self.i_slot.ready.eq(~filled.bit_select(put_item, 1) & ~load),
            base_put.addr.eq(Mux(load, get.addr, put.addr)),
            base_put.data.eq(Mux(load, base_get.data + here.plane, self.i_slot.payload.address)),
            base_put.en.eq(load | put.en),
        ]
        with m.If(put.en):
            m.d.sync += put_index.eq(put_index + 1)
            with m.If(self.i_slot.payload.last):
                m.d.sync += [put_index.eq(0), put_item.eq(~put_item), filled.bit_select(put_item, 1).eq(1)]

        # Working registers of the window that is being read.
        active = Signal()
        work = Signal(slot(arch))
        row_address = Signal(arch.spike_address_bits)
        row_weight = Signal(arch.weight_address_bits)
        word_address = Signal(arch.spike_address_bits)
        word_weight = Signal(arch.weight_address_bits)
        rows_left = Signal(8)
        words_left = Signal(10)
        first_word = Signal()
        end_step = Signal()  # this segment is the last of its step
        step = Signal(5)

        room = Signal(range(QUEUE_DEPTH + 1), init=QUEUE_DEPTH)
        issue, finish = Signal(), Signal()
        last_word, last_row = words_left == 1, rows_left == 1
        m.d.comb += [
            self.address.eq(word_address),
            issue.eq(active & (room != 0) & (work.skip | (word_address[:bank_bits] == self.turn))),
            finish.eq(issue & (work.skip | (last_word & last_row))),
            load.eq(filled.bit_select(get_item, 1) & (~active | finish)),
        ]
        with m.If(issue):
            m.d.sync += first_word.eq(0)
            with m.If(last_word):
                next_address, next_weight = row_address + work.pitch, row_weight + work.weight_pitch
                m.d.sync += [
                    rows_left.eq(rows_left - 1),
                    words_left.eq(work.words),
                    first_word.eq(1),
                    row_address.eq(next_address),
                    word_address.eq(next_address),
                    row_weight.eq(next_weight),
                    word_weight.eq(next_weight),
                ]
            with m.Else():
                m.d.sync += [
                    words_left.eq(words_left - 1),
                    word_address.eq(word_address + 1),
                    word_weight.eq(word_weight + Mux(work.lanewise, 1, columns)),
                ]
        with m.If(finish):
            m.d.sync += active.eq(0)
        with m.If(load):
            m.d.sync += [
                active.eq(1),
                work.eq(here),
                row_address.eq(base_get.data),
                word_address.eq(base_get.data),
                row_weight.eq(here.weight),
                word_weight.eq(here.weight),
                rows_left.eq(here.rows),
                words_left.eq(here.words),
                first_word.eq(1),
                end_step.eq(here.last),
                get_index.eq(get_index + 1),
            ]
            with m.If(here.last):
                m.d.sync += [get_index.eq(0), step.eq(step + 1)]
                with m.If(step + 1 == self.time_steps):
                    m.d.sync += [step.eq(0), get_item.eq(~get_item), filled.bit_select(get_item, 1).eq(0)]

        # What travels beside a read until its word arrives.
        passing = data.StructLayout(
            {
                "valid": 1,
                "low": range(columns),
                "high": range(columns),
                "skip": 1,
                "weight": arch.weight_address_bits,
                "lanewise": 1,
                "partial": 1,
                "end": 1,
            }
        )
        stages = [Signal(passing, name=f"passing{stage}") for stage in range(READ_LATENCY + 1)]
        m.d.comb += [
            stages[0].valid.eq(issue),
            stages[0].low.eq(Mux(first_word, work.first_bit, 0)),
            stages[0].high.eq(Mux(last_word, work.last_bit, columns - 1)),
            stages[0].skip.eq(work.skip),
            stages[0].weight.eq(word_weight),
            stages[0].lanewise.eq(work.lanewise),
            stages[0].partial.eq(work.partial),
            stages[0].end.eq(finish & end_step),
        ]
        for earlier, later in itertools.pairwise(stages):
            m.d.sync += later.eq(earlier)
        arrived = stages[-1]

        mask = Signal(columns)
        for bit in range(columns):
            m.d.comb += mask[bit].eq(~arrived.skip & (arrived.low <= bit) & (arrived.high >= bit))

        m.submodules.queue = queue = fifo.SyncFIFO(width=lane_word(arch).size, depth=QUEUE_DEPTH)
        entry = Signal(lane_word(arch))
        popped, dropped = Signal(), Signal()
        m.d.comb += [
            entry.spikes.pos.eq(self.data.pos & mask),
            entry.spikes.neg.eq(self.data.neg & mask),
            entry.weight.eq(arrived.weight),
            entry.lanewise.eq(arrived.lanewise),
            entry.partial.eq(arrived.partial),
            entry.end.eq(arrived.end),
            queue.w_data.eq(entry),
            queue.w_en.eq(arrived.valid & (arrived.end | (entry.spikes.pos | entry.spikes.neg).any())),
            dropped.eq(arrived.valid & ~queue.w_en),
            self.o.valid.eq(queue.r_rdy),
            self.o.payload.eq(queue.r_data),
            popped.eq(self.o.valid & self.o.ready),
            queue.r_en.eq(popped),
            self.corrupt.eq(arrived.valid & (entry.spikes.pos & entry.spikes.neg).any()),
        ]
        m.d.sync += room.eq(room - issue + popped + dropped)
        m.d.comb += self.idle.eq(~active & ~filled.any() & (put_index == 0) & (room == QUEUE_DEPTH))
        return m
