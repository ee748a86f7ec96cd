"""Front of a lane: turns the segments of a work item into a queue of masked, non-empty spike words."""

import itertools

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, fifo, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from .architecture import Architecture
from .layout import slot, spike_word

QUEUE_DEPTH = 16
READ_LATENCY = 2  # of SpikeMemory


def slot_depth(arch: Architecture) -> int:
    """Slots that a lane holds: two items at least, and a whole pooling window's where items have one segment."""
    return max(2 * arch.max_segments, 16)


def lane_word(arch: Architecture) -> data.StructLayout:
    """A spike word on its way to the event walk, with what the walk needs to know."""
    return data.StructLayout(
        {
            "spikes": spike_word(arch),
            "weight": arch.weight_address_bits,  # weight row of bit 0 (broadcast), or the word's first one (lanewise)
            "lanewise": 1,
            "repeats": 4,  # events of a lanewise word
            "partial": 1,  # the tile has only `last_columns` real output channels
            "end": 1,  # the last word of a step: hand z over after it
        }
    )


class Fetch(wiring.Component):
    """Reads the windows of work items, step by step, and queues their words.

    Function: collects the slots of items (one per segment) in a ring, then, item by item, for each of `time_steps`
    steps walks segments, kernel rows and words, reading one word whenever the wanted bank of the spike memory turns up.
    Bits outside the window are masked; a word left without a spike is dropped, unless it is the last of its step, which
    also carries the end mark.
    Latency: a read takes `READ_LATENCY` cycles, the queue one. Throughput: one word per cycle while addresses are
    consecutive. Back-pressure: reads stop when the queue (with the words under way) is full; `i_slot` is not ready
    while the ring is full. `hungry` says that no item waits behind the running one. `corrupt` pulses when a word has a
    channel both positive and negative. Reset: empty.
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
                "hungry": Out(1),
                "corrupt": Out(1),
                "idle": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        arch = self._arch
        columns = arch.columns
        bank_bits = (arch.banks - 1).bit_length()

        # Slots in a ring; the address of each has a memory of its own because it moves on with every step.
        m.submodules.slots = slots = memory.Memory(shape=slot(arch), depth=slot_depth(arch), init=[])
        m.submodules.bases = bases = memory.Memory(shape=arch.spike_address_bits, depth=slot_depth(arch), init=[])
        put, get = slots.write_port(), slots.read_port(domain="comb")
        base_put, base_get = bases.write_port(), bases.read_port(domain="comb")

        # Pointers have one bit more than addresses, so that a full ring differs from an empty one.
        put_at, get_at, item_at = (
            Signal(range(2 * slot_depth(arch)), name=f"{use}_at") for use in ("put", "get", "item")
        )
        items = Signal(range(slot_depth(arch) + 1))  # complete items in the ring, the running one included
        begins, ends = Signal(), Signal()  # an item becomes complete; the running one has had its last slot read

        load = Signal()  # take the next slot into the working registers
        here = get.data
        m.d.comb += [
            get.addr.eq(get_at),
            base_get.addr.eq(get_at),
            put.addr.eq(put_at),
            put.data.eq(self.i_slot.payload),
            put.en.eq(self.i_slot.valid & self.i_slot.ready),
            self.i_slot.ready.eq((put_at - item_at)[: len(put_at)] != slot_depth(arch)),
            begins.eq(put.en & self.i_slot.payload.last),
            base_put.addr.eq(Mux(load, get_at, put_at)),
            base_put.data.eq(Mux(load, base_get.data + here.plane, self.i_slot.payload.address)),
            base_put.en.eq(load | put.en),
            self.hungry.eq(items <= 1),
        ]
        with m.If(load):
            m.d.comb += self.i_slot.ready.eq(0)
        with m.If(put.en):
            m.d.sync += put_at.eq(put_at + 1)
        m.d.sync += items.eq(items + begins - ends)

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
            load.eq((items != 0) & (~active | finish)),
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
                get_at.eq(get_at + 1),
            ]
            with m.If(here.last):
                m.d.sync += [get_at.eq(item_at), step.eq(step + 1)]
                with m.If(step + 1 == self.time_steps):
                    m.d.comb += ends.eq(1)
                    m.d.sync += [step.eq(0), get_at.eq(get_at + 1), item_at.eq(get_at + 1)]

        # What travels beside a read until its word arrives.
        passing = data.StructLayout(
            {
                "valid": 1,
                "low": range(columns),
                "high": range(columns),
                "skip": 1,
                "weight": arch.weight_address_bits,
                "lanewise": 1,
                "repeats": 4,
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
            stages[0].repeats.eq(work.repeats),
            stages[0].partial.eq(work.partial),
            stages[0].end.eq(finish & end_step),
        ]
        for earlier, later in itertools.pairwise(stages):
            m.d.sync += later.eq(earlier)
        arrived = stages[-1]

        mask = Signal(columns)
        for bit in range(columns):
            inside = ~arrived.skip
            if bit < columns - 1:  # no first bit lies above the uppermost, no last bit below bit 0
                inside &= arrived.low <= bit
            if bit > 0:
                inside &= arrived.high >= bit
            m.d.comb += mask[bit].eq(inside)

        m.submodules.queue = queue = fifo.SyncFIFO(width=lane_word(arch).size, depth=QUEUE_DEPTH)
        entry = Signal(lane_word(arch))
        popped, dropped = Signal(), Signal()
        m.d.comb += [
            entry.spikes.pos.eq(self.data.pos & mask),
            entry.spikes.neg.eq(self.data.neg & mask),
            entry.weight.eq(arrived.weight),
            entry.lanewise.eq(arrived.lanewise),
            entry.repeats.eq(arrived.repeats),
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
        m.d.comb += self.idle.eq(~active & (put_at == item_at) & (room == QUEUE_DEPTH))
        return m
