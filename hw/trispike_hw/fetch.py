"""Front of a lane: turns the segments of a work item into a queue of masked, non-empty spike words."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from .architecture import Architecture
from .buffered_queue import BufferedQueue
from .carry_chains import LoadableAdder, LoadableCountdown, TernaryAdder
from .layout import slot
from .slot_ring import SlotRing
from .spike_memory import READ_LATENCY, READ_LATENCY_ALONE, stored_word

QUEUE_DEPTH = 17  # 16 in a distributed RAM, and one in the register behind it


def lane_word(arch: Architecture) -> data.StructLayout:
    """A spike word on its way to the event walk, with what the walk needs to know."""
    return data.StructLayout(
        {
            "spikes": arch.columns,  # channels inside the window that have a spike
            "neg": arch.columns,  # those with a negative one; means nothing where there is no spike
            "weight": arch.weight_address_bits,  # weight row of bit 0 (broadcast), or the word's first one (lanewise)
            "lanewise": 1,
            "repeats": 4,  # events of a lanewise word
            "end": 1,  # the last word of a step: hand z over after it
        }
    )


class Fetch(wiring.Component):
    """Reads the windows of work items, step by step, and queues their words.

    Function: walks, for each of `time_steps` steps, the segments that `SlotRing` shows, their kernel rows and words,
    reading one word whenever the wanted bank of the spike memory turns up. Bits outside the window are masked; a word
    left without a spike is dropped, unless it is the last of its step, which also carries the end mark.
    Latency: that of `SpikeMemory`, a cycle for the mask, which a lane alone does without, and two of the queue.
    Throughput: one word per cycle while the banks of their addresses are consecutive, from row to row, step to step and
    segment to segment alike. Back-pressure: reads stop when the queue (with the words under way) is full; `i_slot` is
    not ready while the ring is full. `hungry` says that no item waits behind the running one. Reset: empty.
    """

    def __init__(self, arch: Architecture):
        self._arch = arch
        self._reading = READ_LATENCY_ALONE if arch.lone_lane else READ_LATENCY
        self._latency = READ_LATENCY_ALONE if arch.lone_lane else READ_LATENCY + 1
        super().__init__(
            {
                "i_slot": In(stream.Signature(slot(arch))),
                "time_steps": In(5),
                "address": Out(arch.spike_address_bits),
                "turn": In(range(arch.banks)),
                "data": In(stored_word(arch)),
                "o": Out(stream.Signature(lane_word(arch))),
                "hungry": Out(1),
                "idle": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        arch = self._arch
        m.submodules.ring = ring = SlotRing(arch)
        wiring.connect(m, wiring.flipped(self.i_slot), ring.i)
        here, upcoming = ring.segment, ring.upcoming

        # The word that is read next. Counts are those of the words and rows behind it, less one: negative in the last.
        active, first_word = Signal(), Signal(reset_less=True)
        address = Signal(arch.spike_address_bits, reset_less=True)
        weight = Signal(arch.weight_address_bits, reset_less=True)
        words, rows = Signal.like(here.more_words, reset_less=True), Signal.like(here.more_rows, reset_less=True)
        last_word, last_row = words < 0, rows < 0

        room, issue, finish = Signal(), Signal(), Signal()
        bank_bits = (arch.banks - 1).bit_length()
        m.submodules.step = step = TernaryAdder(arch.spike_address_bits)
        m.d.comb += [
            self.address.eq(address),
            self.hungry.eq(ring.hungry),
            issue.eq(active & room & (address[:bank_bits] == self.turn)),
            finish.eq(issue & last_word & last_row),
            # To the next word, or by the given distance behind the last word of a row.
            step.a.eq(address),
            step.b.eq(Mux(last_row, here.next_step, here.next_row)),
            step.valid.eq(last_word),
            step.carry.eq(~last_word),
            ring.time_steps.eq(self.time_steps),
            ring.ending.eq(active & last_word & last_row),
            ring.finish.eq(finish),
            ring.next_address.eq(step.sum),
            ring.free.eq(~active),
        ]
        m.d.sync += active.eq(ring.load | (active & ~finish))

        # What comes next is chosen before it is known whether anything does: behind the last word of a segment that is
        # followed by none, registers may take anything.
        begins = Signal()  # the next word, if there is one, is the first of a segment
        m.submodules.weight_step = weight_step = LoadableAdder(len(weight))
        m.submodules.words_step = words_step = LoadableCountdown(len(words))
        m.submodules.rows_step = rows_step = LoadableCountdown(len(rows))
        m.d.comb += [
            begins.eq(~active | (last_word & last_row)),
            weight_step.a.eq(weight),
            weight_step.b.eq(Mux(last_word, here.next_weights, arch.columns)),
            weight_step.start.eq(upcoming.weight),
            weight_step.load.eq(begins),
            weight_step.add.eq(last_word | ~here.lanewise),
            words_step.a.eq(words),
            words_step.start.eq(Mux(begins, upcoming.more_words, here.more_words)),
            words_step.load.eq(begins | last_word),
            rows_step.a.eq(rows),
            rows_step.start.eq(upcoming.more_rows),
            rows_step.load.eq(begins),
        ]
        with m.If(ring.load & ~ring.again):
            m.d.sync += address.eq(ring.address)
        with m.Elif(issue):
            m.d.sync += address.eq(step.sum)
        with m.If(ring.load | issue):
            m.d.sync += [weight.eq(weight_step.sum), words.eq(words_step.sum), first_word.eq(begins | last_word)]
        with m.If(ring.load | (issue & last_word)):
            m.d.sync += rows.eq(rows_step.sum)

        reading = Signal(_read(arch))
        m.d.comb += [
            reading.low.eq(Mux(first_word, here.first_bit, 0)),
            reading.high.eq(Mux(last_word, here.last_bit, arch.columns - 1)),
            reading.weight.eq(weight),
            reading.lanewise.eq(here.lanewise),
            reading.repeats.eq(here.repeats),
            reading.end.eq(finish & here.last),
        ]
        empty = self._queue(m, issue, reading, room)
        m.d.comb += self.idle.eq(~active & ring.idle & empty)
        return m

    def _queue(self, m: Module, issue: Signal, reading: data.View, room: Signal) -> Value:
        """From reads (with `issue`) to words on `o`; `room` says whether one more may be read. Returns whether no word
        is inside."""
        arch = self._arch
        columns = arch.columns
        under_way = Signal(self._latency + 1)  # the last one is a word that the queue does not show yet
        m.d.sync += under_way.eq(Cat(issue, under_way))
        stages = [reading]
        for stage in range(self._latency):
            stages.append(Signal(_read(arch), name=f"read{stage}", reset_less=True))
            m.d.sync += stages[-1].eq(stages[-2])
        arrived = stages[-1]
        # Which bits lie in the window is worked out while the word comes, and takes no look-up tables of its own behind
        # the multiplexers of the turn. No first bit lies above the uppermost one, no last bit below the lowest.
        inside = Signal(columns, reset_less=True)
        asked = stages[self._reading - 1]
        from_low = Cat(asked.low <= bit for bit in range(columns - 1)) | (1 << columns - 1)
        m.d.sync += inside.eq(from_low & Cat(Const(1), *(asked.high >= bit for bit in range(1, columns))))
        masked = Signal(stored_word(arch), reset_less=True)
        masking = m.d.comb if arch.lone_lane else m.d.sync
        masking += [masked.spikes.eq(self.data.spikes & inside), masked.neg.eq(self.data.neg)]

        m.submodules.queue = queue = BufferedQueue(width=lane_word(arch).size, depth=QUEUE_DEPTH)
        entry = Signal(lane_word(arch))
        m.d.comb += [
            entry.spikes.eq(masked.spikes),
            entry.neg.eq(masked.neg),
            entry.weight.eq(arrived.weight),
            entry.lanewise.eq(arrived.lanewise),
            entry.repeats.eq(arrived.repeats),
            entry.end.eq(arrived.end),
            queue.w_data.eq(entry),
            queue.w_en.eq(under_way[self._latency - 1] & (arrived.end | entry.spikes.any())),
            self.o.valid.eq(queue.r_rdy),
            self.o.payload.eq(queue.r_data),
            queue.r_en.eq(self.o.ready),
        ]
        # The level is a cycle old when it counts, and by then two reads and one more may be under way.
        m.d.sync += room.eq(queue.w_level < QUEUE_DEPTH - self._latency - 2)
        return ~queue.r_rdy & ~(issue | under_way.any())


def _read(arch: Architecture) -> data.StructLayout:
    """What travels beside a read until its word arrives."""
    return data.StructLayout(
        {
            "low": range(arch.columns),  # bits of the word that lie in the window
            "high": range(arch.columns),
            "weight": arch.weight_address_bits,
            "lanewise": 1,
            "repeats": 4,
            "end": 1,
        }
    )
