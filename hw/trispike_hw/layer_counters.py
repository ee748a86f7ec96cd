"""Counters of every layer of a run: one adder and one memory for all of them."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from .architecture import Architecture
from .ports import BLOCK_RAM, RegisterBus

STALLS = {
    "no_event": "its word held the end of a step but no spike",
    "no_word": "it had an item, but no spike word of it had come",
    "drain": "the end of a step waited for the TSA row",
    "weights": "a weight row was being written",
}
"""Why a lane that has a work item issues no event, by the name of the counter."""

FIELDS = ("cycles", "events", "words", *STALLS)
"""What is counted, in the order of the memory; its eighth place stays empty."""

PLACES = 8  # words of a layer in the memory
LAST = PLACES - 2  # of a round, which begins with the empty one
LATE = 3  # cycles of the next layer that have passed when those of a layer are taken
LAG = 2 * PLACES
"""Cycles behind the end of a layer in which nothing but cycles may be counted for the next one."""


class LayerCounters(wiring.Component):
    """Counts what happens in each layer and keeps it, 32 bits a counter.

    Function: increments gather in narrow sums. Round after round each sum is added to its counter in the memory, one
    every other cycle, and begins anew; so there is one wide adder, not one for each counter. Registers before the adder
    take the sum and the memory's slow output, and what comes of it is written while the next one is waited for. A
    layer's own counters start from zero. `cycles` counts every cycle from `run`, or the end of the layer before, to
    `layer_done`.
    Latency: a counter is complete LAG cycles after its layer's `layer_done`; within these cycles no increment may come
    for the next layer, which takes far longer to begin, and no second `layer_done`. Throughput: all increments in every
    cycle. `data` is the counter at `address` of the cycle before; in a machine with one lane, which has one port for
    reading, only if `complete` and not `busy`. Reset: sums are zero; the memory keeps its contents.

    Members
    -------
    run, layer_done : In(1)
        Layers are counted from `run` on.
    busy : In(1)
        A run is on.
    complete : Out(1)
        All counters of the layers that have ended are in the memory, from the cycle behind `layer_done` on.
    increments : In, one for each of FIELDS[1:]
        Of this cycle.
    address : In, layer * PLACES + index in FIELDS
    data : Out(32)
    """

    def __init__(self, arch: Architecture):
        self._arch = arch
        most = {"events": arch.lanes, "words": arch.clusters} | dict.fromkeys(STALLS, arch.lanes)
        self._most = most
        super().__init__(
            {name: In(range(number + 1)) for name, number in most.items()}
            | {
                "run": In(1),
                "layer_done": In(1),
                "busy": In(1),
                "complete": Out(1),
                "address": In(range(PLACES * arch.max_layers)),
                "data": Out(RegisterBus.DATA_BITS),
            }
        )

    def elaborate(self, platform):
        m = Module()
        arch = self._arch
        m.submodules.memory = counters = memory.Memory(
            shape=RegisterBus.DATA_BITS, depth=PLACES * arch.max_layers, init=[], attrs=BLOCK_RAM
        )
        old, write = counters.read_port(), counters.write_port()

        # A round starts with `run` and with every end of a layer: what is left then still belongs to that layer. It
        # starts with the empty place, so that no counter is read again while it waits to be written.
        place, writing = Signal(range(PLACES)), Signal()
        fresh, ended = Signal(PLACES), Signal()  # places that hold nothing of this layer yet; `layer_done` has come
        layer = Signal(range(arch.max_layers + 1))  # whose counters the sums are for
        m.d.sync += writing.eq(~writing)
        with m.If(writing):
            m.d.sync += place.eq(place + 1)
            with m.If(place == LAST), m.If(ended):
                m.d.sync += [ended.eq(0), layer.eq(layer + 1)]
        with m.If(self.layer_done | self.run):
            m.d.sync += [writing.eq(0), place.eq(LAST + 1)]
        with m.If(self.layer_done):
            m.d.sync += ended.eq(1)
        begins = writing & ended & (place == LAST)
        here = Signal(PLACES)
        m.d.comb += here.eq(Cat(place == i for i in range(PLACES)))
        with m.If(self.run | begins):
            m.d.sync += fresh.eq(~0)
        with m.Elif(writing):
            m.d.sync += fresh.eq(fresh & ~here)
        with m.If(self.run):
            m.d.sync += layer.eq(0)

        # The sum of cycles is taken a little late behind the end of a layer, and must not hold what is the next one's.
        tick = Mux(self.layer_done, 1 - LATE, Mux(writing & ended & here[0], 1 + LATE, 1))
        increments = {"cycles": (tick, 1)} | {name: (getattr(self, name), most) for name, most in self._most.items()}
        sums = []
        for number, name in enumerate(FIELDS):
            increment, most = increments[name]
            total = Signal(range(most * (LAG + PLACES) + 1), name=f"sum_{name}")
            sums.append(total)
            m.d.sync += total.eq(increment + Mux(writing & here[number], 0, total))
            with m.If(self.run):
                m.d.sync += total.eq(0)

        chosen = Signal(RegisterBus.DATA_BITS)
        with m.Switch(place):
            for number, total in enumerate(sums):
                with m.Case(number):
                    m.d.comb += chosen.eq(total)
        shared = Signal(range(PLACES * arch.max_layers))  # one signal: synthesis sees that it is one port
        stored, counts = Signal.like(chosen), Signal()  # what the counter holds; it is one of this layer
        m.d.comb += [
            stored.eq(Mux((fresh & here).any(), 0, old.data)),
            counts.eq(layer != arch.max_layers),
        ]
        if arch.lone_lane:
            counting = self.busy | ended
            m.d.comb += [
                self.complete.eq(~ended),
                shared.eq(Cat(place, layer)),
                old.addr.eq(Mux(counting, shared, self.address)),
                self.data.eq(old.data),
                write.en.eq(writing & counting & counts),
                write.data.eq(stored + chosen),
            ]
        else:
            host = counters.read_port()
            before, increment = Signal.like(chosen), Signal.like(chosen)
            counted, adds = Signal.like(shared), Signal()  # whose counter those are for, if for any
            settling = Signal()  # the last of the layer's counters is still to be written
            with m.If(writing):
                m.d.sync += [
                    before.eq(stored),
                    increment.eq(chosen),
                    counted.eq(Cat(place, layer)),
                    adds.eq(counts),
                    settling.eq(ended),
                ]
            m.d.comb += [
                self.complete.eq(~ended & ~settling),
                shared.eq(Mux(writing, counted, Cat(place, layer))),
                old.addr.eq(shared),
                old.en.eq(~writing),
                host.addr.eq(self.address),
                self.data.eq(host.data),
                write.en.eq(writing & adds),
                write.data.eq(before + increment),
            ]
        m.d.comb += write.addr.eq(shared)
        return m
