"""A lane: one row of the array, from work items to vectors of synaptic sums."""

from amaranth.hdl import Cat, Const, Module, Shape, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from .architecture import Architecture
from .fetch import Fetch
from .layer_counters import STALLS
from .layout import slot, spike_word, weight_row
from .processing_element import ProcessingElement
from .tsa_layout import sums
from .walker import Walker, event


def stalls(lanes: int) -> data.StructLayout:
    """How many of so many lanes issue no event in a cycle, by the reason."""
    return data.StructLayout({name: Shape.cast(range(lanes + 1)) for name in STALLS})


class Lane(wiring.Component):
    """Fetch, event walk and a row of `columns` processing elements.

    Function: takes work items as slots (one per segment) and delivers, for each of `time_steps` steps, the vector z.
    The weight row for an event is asked for at `weight_address` and arrives two cycles later; after a cycle with
    `pause` no row is asked for.
    Latency: about ten cycles from the first slot to the first event. Throughput: one event per cycle; a step costs no
    cycle of its own unless its last word was empty (one) or the two vectors before it still wait. Back-pressure: sums
    stand until taken; the walk stops when a third vector would be ready. `hungry`: no item waits behind the running
    one. `fired`: an event with a spike was issued; otherwise one of `stalls` says why, unless the lane has no item.
    Reset: no item.
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
                "pause": In(1),
                "weight_address": Out(range(arch.weight_rows)),
                "weights": In(weight_row(arch)),
                "o_sums": Out(stream.Signature(sums(arch))),
                "fired": Out(1),
                "stalls": Out(stalls(1)),
                "hungry": Out(1),
                "idle": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        arch = self._arch
        m.submodules.fetch = fetch = Fetch(arch)
        m.submodules.walker = walker = Walker(arch)
        wiring.connect(m, fetch.o, walker.i)
        wiring.connect(m, wiring.flipped(self.i_slot), fetch.i_slot)
        m.d.comb += [
            fetch.time_steps.eq(self.time_steps),
            fetch.turn.eq(self.turn),
            fetch.data.eq(self.data),
            self.address.eq(fetch.address),
            self.hungry.eq(fetch.hungry),
            walker.pause.eq(self.pause),
            self.weight_address.eq(walker.event.weight),
        ]

        # The event waits for its weights: one cycle for the memory, one for the register behind it.
        waiting, ready = Signal(event(arch)), Signal(event(arch))
        m.d.sync += [waiting.eq(walker.event), ready.eq(waiting)]

        # A second register behind z lets a step end while the vector before it waits for the TSA row.
        finished, taken, moves = Signal(), Signal(), Signal()  # a vector stands in z; one is taken; z moves on
        m.d.comb += [
            taken.eq(self.o_sums.valid & self.o_sums.ready),
            moves.eq(finished & (~self.o_sums.valid | taken)),
        ]
        for column in range(arch.columns):
            m.submodules[f"pe{column}"] = pe = ProcessingElement(arch)
            m.d.comb += [
                pe.weight.eq(self.weights[column]),
                pe.valid.eq(ready.valid[column]),
                pe.sign.eq(ready.sign[column]),
                pe.end.eq(ready.end),
            ]
            with m.If(moves):
                m.d.sync += self.o_sums.payload[column].eq(pe.z)
        with m.If(ready.end):
            m.d.sync += finished.eq(1)
        with m.Elif(moves):
            m.d.sync += finished.eq(0)
        with m.If(moves):
            m.d.sync += self.o_sums.valid.eq(1)
        with m.Elif(taken):
            m.d.sync += self.o_sums.valid.eq(0)

        # An end under way claims a register before its vector arrives: one bit a register.
        claimed = Signal(2)
        m.d.comb += walker.blocked.eq(claimed[1] & ~taken)
        with m.If(walker.ending & ~taken):
            m.d.sync += claimed.eq(Cat(Const(1, 1), claimed))
        with m.Elif(taken & ~walker.ending):
            m.d.sync += claimed.eq(claimed >> 1)

        starved = Signal()
        m.d.sync += [starved.eq(walker.idle & ~fetch.idle), self.fired.eq(walker.fired)]
        m.d.sync += [
            self.stalls.no_event.eq(walker.hollow),
            self.stalls.no_word.eq(starved),
            self.stalls.drain.eq(walker.held),
            self.stalls.weights.eq(walker.paused),
        ]
        m.d.comb += self.idle.eq(fetch.idle & walker.idle & ~claimed.any())
        return m
