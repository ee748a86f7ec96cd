"""A lane: one row of the array, from work items to vectors of synaptic sums."""

from amaranth.hdl import Cat, Const, Module, Shape, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from .architecture import Architecture
from .fetch import Fetch
from .layer_counters import STALLS
from .layout import slot, weight_row
from .processing_element import ProcessingElement
from .spike_memory import stored_word
from .tsa_layout import sums
from .walker import Walker
from .weight_memory import WEIGHT_LATENCY, WEIGHT_LATENCY_ALONE


def stalls(lanes: int) -> data.StructLayout:
    """How many of so many lanes issue no event in a cycle, by the reason."""
    return data.StructLayout({name: Shape.cast(range(lanes + 1)) for name in STALLS})


class Lane(wiring.Component):
    """Fetch, event walk and a row of `columns` processing elements.

    Function: takes work items as slots (one per segment) and delivers, for each of `time_steps` steps, the vector z.
    The weight row for an event is asked for at `weight_address` and arrives WEIGHT_LATENCY cycles later; two cycles
    behind one with `pause` no row is asked for. A lane alone asks for none in the cycle behind it.
    Latency: about ten cycles from the first slot to the first event. Throughput: one event per cycle; a step costs no
    cycle of its own unless its last word was empty (one) or `sum_vectors` before it still wait. A lane alone takes
    a cycle to end a step, lets one vector wait, and hands it over in parts. Back-pressure: sums stand until taken; the
    walk stops when one more vector would be ready. `hungry`: no item waits behind the running one. `sums_soon`: sums
    stand at `o_sums`, or will two cycles later at the latest. `fired`: an event with a spike was issued; otherwise one
    of `stalls` says why, unless the lane has no item. Reset: no item.
    """

    def __init__(self, arch: Architecture):
        self._arch = arch
        super().__init__(
            {
                "i_slot": In(stream.Signature(slot(arch))),
                "time_steps": In(5),
                "address": Out(arch.spike_address_bits),
                "turn": In(range(arch.banks)),
                "data": In(stored_word(arch)),
                "pause": In(1),
                "weight_address": Out(range(arch.weight_rows)),
                "weights": In(weight_row(arch)),
                "o_sums": Out(stream.Signature(sums(arch))),
                "sums_soon": Out(1),
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
            self.weight_address.eq(walker.event.weight),
        ]

        # The event waits for its weights: one cycle for the memory, one for the register behind it, if there is one.
        events: list[Value] = [Cat(walker.event.valid, walker.event.sign)]
        ends = [walker.event.end]
        for _ in range(WEIGHT_LATENCY_ALONE if arch.lone_lane else WEIGHT_LATENCY):
            events.append(Signal.like(events[-1], reset_less=True))
            ends.append(Signal())
            m.d.sync += [events[-1].eq(events[-2]), ends[-1].eq(ends[-2])]
        valid, sign, ended = events[-1][: arch.columns], events[-1][arch.columns :], ends[-1]

        # Accumulators and events on their way have no reset: the first step does not begin before they are over.
        fresh = Signal(len(events), init=-1)
        m.d.sync += fresh.eq(fresh >> 1)
        elements = [ProcessingElement(arch) for _ in range(arch.columns)]
        for column, pe in enumerate(elements):
            m.submodules[f"pe{column}"] = pe
            m.d.comb += [
                pe.weight.eq(self.weights[column]),
                pe.valid.eq(valid[column]),
                pe.sign.eq(sign[column]),
            ]
        sums = [pe.z for pe in elements]
        taken, pausing = Signal(), Signal()  # a vector is taken; a step has ended, and its sum is not yet complete
        vectors = 1 if arch.lone_lane else arch.sum_vectors
        if arch.lone_lane:
            end = Signal()
            m.d.sync += [pausing.eq(walker.ending), end.eq(ended)]
            m.d.comb += [pe.end.eq(end | fresh[0]) for pe in elements]
            self._hand_over_parts(m, sums, end, taken)
        else:
            m.d.comb += [pe.end.eq(ended | fresh[0]) for pe in elements]
            self._hand_over(m, sums, ended, taken)

        # An end under way claims a register before its vector arrives: one bit a register.
        claimed = Signal(vectors)
        stop = Signal()
        domain = m.d.comb if arch.lone_lane else m.d.sync
        domain += stop.eq(self.pause)
        m.d.comb += [
            walker.pause.eq(stop | pausing),
            # That a vector is taken is seen a cycle later, which a lane alone, whose clock is slow, need not wait for.
            walker.blocked.eq(claimed[-1] & ~taken if arch.lone_lane else claimed[-1]),
        ]
        with m.If(walker.ending & ~taken):
            m.d.sync += claimed.eq(Cat(Const(1, 1), claimed))
        with m.Elif(taken & ~walker.ending):
            m.d.sync += claimed.eq(claimed >> 1)

        starved, paused = Signal(), Signal()  # and whether the pause is the lane's own
        m.d.sync += [starved.eq(walker.idle & ~fetch.idle), paused.eq(pausing), self.fired.eq(walker.fired)]
        m.d.sync += [
            self.stalls.no_event.eq(walker.hollow),
            self.stalls.no_word.eq(starved),
            self.stalls.drain.eq(walker.held | (walker.paused & paused)),
            self.stalls.weights.eq(walker.paused & ~paused),
        ]
        m.d.sync += self.idle.eq(fetch.idle & walker.idle & ~claimed.any())  # all lanes make one signal
        return m

    def _hand_over(self, m: Module, sums: list[Value], end: Value, taken: Signal) -> None:
        """Vectors to `o_sums`, through `sum_vectors` registers, z being the first one: behind them steps may end while
        the vectors before wait for the TSA row, or are on their way to it, for steps of few events are shorter than
        that way. A cycle after one is taken, the next one shows."""
        places = self._arch.sum_vectors
        stands = [Signal(name=f"stands{place}") for place in range(places)]  # a vector does, at this place
        moves = [Signal(name=f"moves{place}") for place in range(places - 1)]  # on to the next place
        m.d.comb += [
            *(move.eq(stands[place] & ~Cat(stands[place + 1 :]).all()) for place, move in enumerate(moves)),
            self.o_sums.valid.eq(stands[-1]),
            taken.eq(stands[-1] & self.o_sums.ready),
        ]
        m.d.sync += self.sums_soon.eq(end | Cat(stands[:-1]).any() | (stands[-1] & ~taken))
        held = sums
        for place in range(1, places):
            behind, held = held, [Signal.like(z, name=f"held{place}_{i}", reset_less=True) for i, z in enumerate(sums)]
            # The last place takes what comes: its register alone decides, for hundreds hang on it.
            with m.If(~stands[-1] if place == places - 1 else moves[place - 1]):
                m.d.sync += [register.eq(z) for register, z in zip(held, behind, strict=True)]
        m.d.comb += [self.o_sums.payload[column].eq(z) for column, z in enumerate(held)]
        for there, comes, goes in zip(stands, [end, *moves], [*moves, taken], strict=True):
            with m.If(comes):
                m.d.sync += there.eq(1)
            with m.Elif(goes):
                m.d.sync += there.eq(0)

    def _hand_over_parts(self, m: Module, sums: list[Value], end: Value, taken: Signal) -> None:
        """Vectors to `o_sums`, as many columns at a time as the TSA row updates: those behind them move up."""
        width, passes = self._arch.tsa_width, self._arch.tsa_passes
        columns = [Signal(z.shape(), name=f"column{number}") for number, z in enumerate(sums)]
        part = Signal(range(max(2, passes)))
        moves = self.o_sums.valid & self.o_sums.ready
        m.d.comb += [
            taken.eq(moves & (part == passes - 1)),
            *(self.o_sums.payload[i].eq(column) for i, column in enumerate(columns[:width])),
            self.sums_soon.eq(self.o_sums.valid),
        ]
        with m.If(end):
            m.d.sync += [column.eq(z) for column, z in zip(columns, sums, strict=True)]
            m.d.sync += [self.o_sums.valid.eq(1), part.eq(0)]
        with m.Elif(moves):
            m.d.sync += [column.eq(behind) for column, behind in zip(columns, columns[width:], strict=False)]
            m.d.sync += part.eq(part + 1)
            with m.If(taken):
                m.d.sync += self.o_sums.valid.eq(0)
