"""The segments of a lane's work items, in a ring: those of the running item come round once a step."""

from amaranth.hdl import Const, Module, Mux, Signal, Value
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from .architecture import Architecture
from .layout import slot
from .ports import NO_COLLISION


def slot_depth(arch: Architecture) -> int:
    """Slots that a lane holds: two items at least, and a whole pooling window's where items have one segment."""
    return max(2 * arch.max_segments, 16)


def segment(arch: Architecture) -> data.StructLayout:
    """A slot without its address, which moves on with every step and so has a memory of its own."""
    return data.StructLayout({name: field.shape for name, field in slot(arch) if name != "address"})


class SlotRing(wiring.Component):
    """Collects slots and holds the segment that is walked, the one behind it ready.

    Function: an item is the slots up to one with `last`. Its segments come one after the other, round after round,
    `time_steps` rounds in all; then its slots are free. The next segment is read ahead, so that a walk may begin in the
    cycle behind the end of the one before: `load` says that the next cycle is a walk's first one. Then `upcoming` and
    `address` are what it walks, and from the next cycle on `segment` is, until the next `load`. With `finish` comes
    back where a segment begins its next step; the one that is alone in its item goes on from there, see `again`.
    Latency: two cycles from an item's last slot to `load`. Throughput: one segment a cycle; of an item with two
    segments, two in three cycles. Back-pressure: `i` is not ready while the ring is full, nor in a cycle in which an
    address may come back. Reset: empty.

    Members
    -------
    i : In(stream.Signature(slot(arch)))
    time_steps : In(5)
        T, 1..16; stands still while an item is inside.
    ending : In(1)
        The walk over `segment` may end in this cycle: comes with every `finish`, and earlier, for `i` waits for it.
    finish : In(1)
        The walk over `segment` ends in this cycle.
    next_address : In(spike_address_bits)
        With `finish`: where the segment's next step begins.
    free : In(1)
        No walk is under way.
    load : Out(1)
    upcoming : Out(segment(arch))
    address : Out(spike_address_bits)
        Where `upcoming` begins, unless `again`.
    again : Out(1)
        `upcoming` is `segment` once more and begins at `next_address`.
    segment : Out(segment(arch))
    hungry : Out(1)
        No complete item waits behind the running one.
    idle : Out(1)
        No slot is inside; a walk may be under way.
    """

    def __init__(self, arch: Architecture):
        self._arch = arch
        super().__init__(
            {
                "i": In(stream.Signature(slot(arch))),
                "time_steps": In(5),
                "ending": In(1),
                "finish": In(1),
                "next_address": In(arch.spike_address_bits),
                "free": In(1),
                "load": Out(1),
                "upcoming": Out(segment(arch)),
                "address": Out(arch.spike_address_bits),
                "again": Out(1),
                "segment": Out(segment(arch)),
                "hungry": Out(1),
                "idle": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        arch = self._arch
        depth = slot_depth(arch)
        # What is read in the cycle of its write is not used, see `staged`.
        m.submodules.segments = segments = memory.Memory(shape=segment(arch), depth=depth, init=[], attrs=NO_COLLISION)
        m.submodules.addresses = addresses = memory.Memory(
            shape=arch.spike_address_bits, depth=depth, init=[], attrs=NO_COLLISION
        )
        put, get = segments.write_port(), segments.read_port()
        address_put, address_get = addresses.write_port(), addresses.read_port()

        # Pointers have one bit more than addresses, so that a full ring differs from an empty one.
        put_at, get_at, item_at = (Signal(range(2 * depth), name=f"{use}_at") for use in ("put", "get", "item"))
        here_at = Signal(range(depth), reset_less=True)  # of `segment`
        here = Signal(segment(arch), reset_less=True)
        items = Signal(range(depth + 1))  # complete items of which no segment has been loaded
        staged, comes_back = Signal(), Signal()  # `upcoming` is the slot at get_at; `segment` has a step to come
        inside = Signal()  # `upcoming` is not the first segment of its item's first step
        completed = Signal()  # an item became complete in the cycle before

        steps_left = Signal(range(-1, 16))  # behind that of `upcoming`: negative in the last one
        final = steps_left < 0
        round_over, over = Signal(), Signal()  # with the segment that is loaded
        following, reading = Signal.like(get_at), Signal.like(get_at)
        alone = Signal()  # the segment that is loaded is the only one of its item, which has another round to come
        following_meets, waiting_meets = Signal(), Signal()  # the slot that is read next, or now, is that of `segment`
        m.d.comb += [
            self.upcoming.eq(get.data),
            self.segment.eq(here),
            self.address.eq(address_get.data),
            self.load.eq(staged & (self.free | self.finish)),
            round_over.eq(self.load & self.upcoming.last),
            over.eq(round_over & final),
            following.eq(Mux(self.upcoming.last & ~final, item_at, get_at + 1)),
            alone.eq(self.upcoming.last & ~final & (item_at == get_at)),
            reading.eq(Mux(self.load, following, get_at)),
            get.addr.eq(reading),
            address_get.addr.eq(reading),
            following_meets.eq(following[: len(here_at)] == here_at),
            waiting_meets.eq(get_at[: len(here_at)] == here_at),
        ]
        with m.If(self.load):
            m.d.sync += [
                get_at.eq(following),
                here_at.eq(get_at),
                here.eq(self.upcoming),
                self.again.eq(alone),
                comes_back.eq(~final & ~alone),
                inside.eq(~over),
            ]
        with m.If(over):
            m.d.sync += item_at.eq(following)
        with m.If(over | ~(inside | self.load)):
            m.d.sync += steps_left.eq(self.time_steps - 2)
        with m.Elif(round_over):
            m.d.sync += steps_left.eq(steps_left - 1)

        returned = Signal()
        m.d.comb += [
            returned.eq(self.finish & comes_back),
            self.i.ready.eq(((put_at ^ item_at) != depth) & ~(self.ending & comes_back)),  # a power of two
            put.en.eq(self.i.valid & self.i.ready),
            put.addr.eq(put_at),
            *(put.data[name].eq(self.i.payload[name]) for name, _ in segment(arch)),
            address_put.en.eq(put.en | returned),
            address_put.addr.eq(Mux(returned, here_at, put_at)),
            address_put.data.eq(Mux(returned, self.next_address, self.i.payload.address)),
        ]
        with m.If(put.en):
            m.d.sync += put_at.eq(put_at + 1)
        leaves = self.load & ~inside
        m.d.sync += completed.eq(put.en & self.i.payload.last)
        with m.If(completed ^ leaves):
            m.d.sync += items.eq(items + Mux(leaves, -1, 1))

        # What is written in the cycle of its read does not show yet: slots of an item that is not complete, and the
        # address of the other one of two segments. Whether the walk ends is known last, so both cases are worked out.
        def stages(load: Value, returned: Value, meets: Value) -> Value:
            within = Mux(load, ~(self.upcoming.last & final), inside)  # what is read is of an item whose walk has begun
            waits = completed | Mux(load & ~inside, items[1:].any(), items.any())
            return Mux(within, ~(returned & meets), waits)

        if_finished, if_not = Signal(), Signal()
        m.d.comb += [
            if_finished.eq(stages(staged, comes_back, Mux(staged, following_meets, waiting_meets))),
            if_not.eq(stages(staged & self.free, Const(0), Const(0))),
        ]
        m.d.sync += staged.eq(Mux(self.finish, if_finished, if_not))
        m.d.comb += [self.hungry.eq(~items.any()), self.idle.eq(put_at == item_at)]
        return m
