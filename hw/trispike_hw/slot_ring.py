"""The segments of a lane's work items, in a ring: those of the running item come round once a step."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from .architecture import Architecture
from .layout import slot


def slot_depth(arch: Architecture) -> int:
    """Slots that a lane holds: two items at least, and a whole pooling window's where items have one segment."""
    return max(2 * arch.max_segments, 16)


def segment(arch: Architecture) -> data.StructLayout:
    """A slot without its address, which moves on with every step and so has a memory of its own."""
    return data.StructLayout({name: field.shape for name, field in slot(arch) if name != "address"})


class SlotRing(wiring.Component):
    """Collects slots and shows the segment that is to be walked.

    Function: an item is the slots up to one with `last`. Its segments are shown one after the other, round after round,
    `time_steps` rounds in all; then its slots are free. `load` says that `segment` and `address` are those of the walk
    that begins with the next cycle; they stand still until `finish`. A segment that is alone in its item goes on with
    the next step at once: then `again` is high while it finishes, and its address is the given `next_address`.
    Latency: two cycles from an item's last slot to `load`. Throughput: one segment in two cycles, `again` in one.
    Back-pressure: `i` is not ready while the ring is full, nor in a cycle with `finish`. Reset: empty.

    Members
    -------
    i : In(stream.Signature(slot(arch)))
    time_steps : In(5)
        T, 1..16; stands still while an item is inside.
    finish : In(1)
        The walk over `segment` ends in this cycle.
    next_address : In(spike_address_bits)
        With `finish`: where the segment's next step begins.
    free : In(1)
        No walk is under way; with it, `load` may come.
    segment, address : Out
    load, again : Out(1)
    hungry : Out(1)
        No complete item waits behind the running one.
    idle : Out(1)
    """

    def __init__(self, arch: Architecture):
        self._arch = arch
        super().__init__(
            {
                "i": In(stream.Signature(slot(arch))),
                "time_steps": In(5),
                "finish": In(1),
                "next_address": In(arch.spike_address_bits),
                "free": In(1),
                "segment": Out(segment(arch)),
                "address": Out(arch.spike_address_bits),
                "load": Out(1),
                "again": Out(1),
                "hungry": Out(1),
                "idle": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        arch = self._arch
        depth = slot_depth(arch)
        m.submodules.segments = segments = memory.Memory(shape=segment(arch), depth=depth, init=[])
        m.submodules.addresses = addresses = memory.Memory(shape=arch.spike_address_bits, depth=depth, init=[])
        put, get = segments.write_port(), segments.read_port()
        address_put, address_get = addresses.write_port(), addresses.read_port()

        # Pointers have one bit more than addresses, so that a full ring differs from an empty one.
        put_at, get_at, item_at = (Signal(range(2 * depth), name=f"{use}_at") for use in ("put", "get", "item"))
        items = Signal(range(depth + 1))  # complete items in the ring, the running one included
        begins, ends = Signal(), Signal()  # an item becomes complete; the running one is over

        moves, following = Signal(), Signal.like(get_at)
        running = Signal()
        steps_left = Signal(range(-1, 16))  # behind the next one: negative in the last step
        final = steps_left < 0
        m.d.comb += [
            self.segment.eq(get.data),
            self.address.eq(address_get.data),
            self.again.eq(self.segment.last & (get_at == item_at) & ~final),
            moves.eq(self.finish & ~self.again),
            following.eq(Mux(self.segment.last & ~final, item_at, get_at + 1)),
            get.addr.eq(Mux(moves, following, get_at)),
            address_get.addr.eq(get.addr),
            ends.eq(self.finish & self.segment.last & final),
        ]
        with m.If(moves):
            m.d.sync += get_at.eq(following)
        with m.If(ends):
            m.d.sync += item_at.eq(get_at + 1)
        with m.If(ends | ~running):
            m.d.sync += steps_left.eq(self.time_steps - 2)
        with m.Elif(self.finish & self.segment.last):
            m.d.sync += steps_left.eq(steps_left - 1)
        m.d.sync += running.eq((running | self.load) & ~ends)

        m.d.comb += [
            self.i.ready.eq(((put_at - item_at)[: len(put_at)] != depth) & ~self.finish),
            put.en.eq(self.i.valid & self.i.ready),
            put.addr.eq(put_at),
            *(put.data[name].eq(self.i.payload[name]) for name, _ in segment(arch)),
            begins.eq(put.en & self.i.payload.last),
            address_put.en.eq(put.en | self.finish),
            address_put.addr.eq(Mux(self.finish, get_at, put_at)),
            address_put.data.eq(Mux(self.finish, self.next_address, self.i.payload.address)),
        ]
        with m.If(put.en):
            m.d.sync += put_at.eq(put_at + 1)
        m.d.sync += items.eq(items + begins - ends)

        # What was written in the cycle before does not show yet.
        fresh = Signal()
        m.d.sync += fresh.eq(begins)
        m.d.comb += [
            self.hungry.eq(items <= 1),
            self.load.eq(self.free & (items != 0) & ~(fresh & self.hungry)),
            self.idle.eq(put_at == item_at),
        ]
        return m
