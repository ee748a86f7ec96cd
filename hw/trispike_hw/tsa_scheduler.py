"""Decides which lane the TSA row serves next, and with which step of which item."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from .architecture import Architecture
from .layout import Mode
from .ports import DISTRIBUTED_RAM
from .round_robin import RoundRobin, selected
from .single_port_ram import is_ice40up
from .tsa_layout import assignment, item_context, layer_config, update

QUEUE = 8
"""Contexts that a lane can have waiting, besides one in the input register."""


class TsaScheduler(wiring.Component):
    """Turns waiting sums into update orders, and adds the steps after the last sums of an item by itself.

    Function: takes the contexts of each lane's items in order, counts the steps of its current item, and gives the
    lanes that have something to do their turn one after the other. A lane has if the sums of its next step will be
    there (`sums_soon`), or if only silent steps are left of its item; and if its previous step has left the pipeline
    far enough for the next one to find its results. One turn is `tsa_passes` orders on `o`, q = 0, 1, ...

    Latency: three cycles from a lane's request to its first order, and two from a context to its lane's request; one
    more if the lanes are `Architecture.spread`. Throughput: one order a cycle while different lanes have something to
    do; one lane gets a turn in tsa_passes + 3 cycles, or in one more likewise. One context a cycle, or in two cycles
    while some lane has `QUEUE` - 1 or more waiting. Back-pressure: `hold` lets no new turn begin, but up to eight that
    have begun still come out; `o` waits for its receiver. A context whose lane has `QUEUE` waiting stops `i_context`,
    for all lanes. A reset forgets all items.

    Members
    -------
    i_context : In(stream.Signature(assignment(arch)))
        Contexts of all lanes, those of one lane in order of its items.
    sums_soon : In(cluster_lanes)
        The lane's next sums will stand three cycles later; then they must stay until the last order of the turn.
    config : In(layer_config(arch))
    hold : In(1)
    o : Out(stream.Signature(update(arch)))
    moves : Out(1)
        `o` shows another turn in the next cycle, or none.
    comes : Out(1)
        Then it shows one.
    next_tile : Out
        The constants of that turn.
    last_pass : Out(1)
        The order on `o` is the last of its turn.
    idle : Out(1)
        No item has been accepted that is not finished, but for what the pipeline behind `o` still holds.
    """

    def __init__(self, arch: Architecture):
        self._arch = arch
        self._lanes = arch.cluster_lanes
        super().__init__(
            {
                "i_context": In(stream.Signature(assignment(arch))),
                "sums_soon": In(arch.cluster_lanes),
                "config": In(layer_config(arch)),
                "hold": In(1),
                "o": Out(stream.Signature(update(arch))),
                "moves": Out(1),
                "comes": Out(1),
                "next_tile": Out(range(arch.constant_tiles)),
                "last_pass": Out(1),
                "idle": Out(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        lanes = range(self._lanes)
        busy = Signal(self._lanes)  # from its turn's beginning until the lane may have the next one
        trailing = Signal(self._lanes)  # only silent steps are left of the item
        steps = [Signal(5, name=f"step{lane}") for lane in lanes]
        finished = Signal(self._lanes)  # the lane's item has its last step scheduled
        lane = Signal(range(max(2, self._lanes)))
        served = Signal(self._lanes)  # `lane`, one bit per lane

        waiting, context, received = self._contexts(m, platform, lane, served, finished)

        # Turn: the lane is chosen. Stands in `lane` for the cycle in which its context and its step are read.
        m.submodules.turns = turns = RoundRobin(self._lanes)
        chosen, order_free, pass_free = Signal(), Signal(), Signal()
        asking = waiting & ~busy & (trailing | self.sums_soon)
        if self._arch.spread:
            asked = Signal(self._lanes)
            m.d.sync += asked.eq(asking)
            asking = asked & ~busy
        m.d.comb += [
            turns.requests.eq(Mux(self.hold, 0, asking)),
            turns.advance.eq(~chosen | order_free),
        ]
        with m.If(turns.advance):
            m.d.sync += [chosen.eq(turns.valid), lane.eq(turns.index), served.eq(turns.chosen)]
            m.d.sync += busy.eq(busy | turns.chosen)

        # Order: what the turn does is worked out, and the lane counts on.
        last_sums, last_step = Signal(5), Signal(5)
        m.d.sync += [
            last_sums.eq(self.config.time_steps - 1),
            last_step.eq(self.config.time_steps - 1 + Mux(self.config.mode == Mode.LOGITS, 0, self.config.silent)),
        ]
        step, ended = Signal(5), Signal()
        at_last = Signal(self._lanes)  # registers: between its turns there is time to compare a lane's step
        m.d.sync += [at_last[i].eq(steps[i] == last_step) for i in lanes]
        m.d.comb += [step.eq(selected(served, steps)), ended.eq((served & at_last).any())]
        ordered, order = Signal(), Signal(update(self._arch), reset_less=True)
        m.d.comb += order_free.eq(~ordered | pass_free)
        with m.If(order_free):
            m.d.sync += [
                ordered.eq(chosen),
                order.lane.eq(lane),
                order.digit.eq(step - self.config.silent),
                order.start.eq(step == 0),
                order.sums.eq(Mux(step <= last_sums, served, 0)),
                order.fires.eq((step >= self.config.silent) & (self.config.mode != Mode.LOGITS)),
                order.end.eq(ended),
                order.context.eq(context),
            ]
            for i in lanes:
                with m.If(served[i]):
                    m.d.comb += finished[i].eq(at_last[i])
                    m.d.sync += [
                        steps[i].eq(Mux(ended, 0, step + 1)),
                        trailing[i].eq((step >= last_sums) & ~ended),
                    ]

        # Passes: the order goes out once for every group of neurons.
        issuing = Signal()
        m.d.comb += [
            self.o.valid.eq(issuing),
            self.last_pass.eq(1 if self._arch.tsa_passes == 1 else self.o.payload.q == self._arch.tsa_passes - 1),
            pass_free.eq(~issuing | (self.o.ready & self.last_pass)),
            self.moves.eq(pass_free),
            self.comes.eq(ordered),
            self.next_tile.eq(order.context.constants),
        ]
        with m.If(pass_free):
            m.d.sync += [issuing.eq(ordered), self.o.payload.eq(order)]
        if self._arch.tsa_passes > 1:
            with m.Elif(self.o.ready):
                m.d.sync += self.o.payload.q.eq(self.o.payload.q + 1)

        release, released = Signal(), Signal.like(lane)
        m.d.comb += [release.eq(issuing & self.o.ready & self.last_pass), released.eq(self.o.payload.lane)]
        for i in lanes:
            with m.If(release & (released == i)):
                m.d.sync += busy[i].eq(0)

        m.d.comb += self.idle.eq(~waiting.any() & ~busy.any() & ~received)
        return m

    def _contexts(
        self, m: Module, platform, lane: Signal, served: Signal, finished: Signal
    ) -> tuple[Signal, data.View, Signal]:
        """The lanes' queues of contexts.

        Returns which lanes have one; combinational, the first one of `lane`, whose bit of `served` is set; and whether
        another one is on its way to its queue.
        """
        lanes = range(self._lanes)
        # One shared memory with one write port. A block RAM would be almost empty, and slow; an iCE40 has no other.
        m.submodules.contexts = contexts = memory.Memory(
            shape=item_context(self._arch),
            depth=QUEUE * self._lanes,
            init=[],
            attrs={} if is_ice40up(platform) else DISTRIBUTED_RAM,
        )
        write, read = contexts.write_port(), contexts.read_port(domain="comb")
        waiting = Signal(self._lanes)
        heads = [Signal(range(QUEUE), name=f"head{i}") for i in lanes]
        tails = [Signal(range(QUEUE), name=f"tail{i}") for i in lanes]
        levels = [Signal(QUEUE, name=f"level{i}") for i in lanes]  # a bit per context

        # What is in the input register goes to the queue of its lane in the next cycle, unless that is full. Only in a
        # cycle in which some lane has room for one at most can that happen: what comes then is counted as blocked until
        # it is in its queue, so that `ready` is a register.
        port = self.i_context
        received, queued, blocked = Signal(), Signal(), Signal()
        arrived = Signal(port.payload.shape(), reset_less=True)
        receiver = Signal(self._lanes, reset_less=True)  # the lane that it is for, one bit per lane
        m.d.comb += [
            port.ready.eq(~blocked),
            queued.eq(received & ~selected(receiver, (level[-1] for level in levels))),
        ]
        with m.If(port.ready):
            m.d.sync += [
                received.eq(port.valid),
                arrived.eq(port.payload),
                receiver.eq(1 << port.payload.lane),
                blocked.eq(port.valid & Cat(level[-2] for level in levels).any()),
            ]
        with m.Elif(queued):
            m.d.sync += [received.eq(0), blocked.eq(0)]

        for i, level in enumerate(levels):
            pushed = Signal(name=f"pushed{i}")
            m.d.comb += [pushed.eq(queued & receiver[i]), waiting[i].eq(level[0])]
            with m.If(pushed):
                m.d.sync += tails[i].eq(tails[i] + 1)
            with m.If(finished[i]):
                m.d.sync += heads[i].eq(heads[i] + 1)
            with m.If(pushed & ~finished[i]):
                m.d.sync += level.eq(Cat(1, level))
            with m.Elif(finished[i] & ~pushed):
                m.d.sync += level.eq(level >> 1)
        m.d.comb += [
            write.en.eq(queued),
            write.addr.eq(Cat(selected(receiver, tails), arrived.lane)),
            write.data.eq(arrived.context),
            read.addr.eq(Cat(selected(served, heads), lane)),
        ]
        return waiting, read.data, received
