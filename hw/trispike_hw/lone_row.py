"""The TSA row behind a lane alone: one turn after the other, and nothing kept twice."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring

from .constant_store import ConstantStore
from .layout import Mode
from .lone_neuron import LoneNeuron
from .lone_pool import LonePool
from .tsa_layout import item_context
from .tsa_row import TsaRow


class LoneRow(TsaRow):
    """Does what `TsaRow` does for one lane, whose sums come so rarely that turns need not overlap.

    Function: a turn is one step of an item. Its passes read sums, constants and state; in the cycle behind, the
    neurons, which are combinational, give digits and the new state. The context stands until the item's last turn is
    over, the word until pooling has taken it, so that nothing of either has to be queued.
    Latency: from sums to their spike word 3 + tsa_passes cycles. Throughput: a turn in that many cycles, one more where
    windows are pooled; three cycles and those of the answer store for a part of the answer. Back-pressure: a turn ends
    when its word has been taken, a pass of the answer when its part has. Sums are taken part by part, one with each
    pass. A reset forgets all items; constants stay.
    """

    def elaborate(self, platform) -> Module:
        m = Module()
        arch, config = self._arch, self.config
        port, sums = self.i_context, self.i_sums[0]
        context, waiting = Signal(item_context(arch)), Signal()
        step, q = Signal(5), Signal(max(1, arch.pass_bits))
        passing, answering = config.mode == Mode.PASS, config.mode == Mode.LOGITS
        integrates = step < config.time_steps  # else a silent step behind the last sums
        fires = (step >= config.silent) & ~answering
        last_step, ended = Signal(5), Signal()
        m.d.sync += last_step.eq(config.time_steps - 1 + Mux(answering, 0, config.silent))
        m.d.comb += [ended.eq(step == last_step), port.ready.eq(~waiting)]
        with m.If(port.valid & port.ready):
            m.d.sync += [waiting.eq(1), context.eq(port.payload.context)]

        # A pass: what it needs is read, and stands until the next one.
        m.submodules.store = store = ConstantStore(arch)
        wiring.connect(m, wiring.flipped(self.constants), store.write)
        m.submodules.pool = pool = LonePool(arch)
        states = pool.states
        read, updating = Signal(), Signal()
        address, z = Signal.like(q), Signal(sums.payload.shape())
        begins, last_pass = Signal(), q == arch.tsa_passes - 1
        m.d.comb += [
            states.reads.eq(read),
            states.read_at.eq(q),
            states.writes.eq(updating),
            states.write_at.eq(address),
            sums.ready.eq(read & integrates),
            store.moves.eq(begins),
            store.comes.eq(1),
            store.next_tile.eq(context.constants),
            store.tile.eq(context.constants),
            store.q.eq(q),
        ]
        m.d.sync += updating.eq(read)
        with m.If(read):
            m.d.sync += [address.eq(q), Value.cast(z).eq(Mux(integrates, Value.cast(sums.payload), 0))]

        digits = {"pos": Signal(arch.columns), "neg": Signal(arch.columns)}
        neurons = [LoneNeuron(arch) for _ in range(arch.tsa_width)]
        for i, neuron in enumerate(neurons):
            m.submodules[f"neuron{i}"] = neuron
            m.d.comb += [
                neuron.keep.eq((step != 0) & ~passing),
                neuron.biased.eq(Mux(answering, context.use_bias, ~passing)),
                neuron.fires.eq(fires),
                neuron.two_sided.eq(config.mode != Mode.RELU),
                neuron.unit_threshold.eq(passing),
                neuron.state.eq(states.before[i]),
                neuron.constants.eq(store.constants[i]),
                neuron.z.eq(z[i]),
                states.after[i].eq(neuron.o),
                self.o_logits.payload["values"][i].eq(neuron.o.potential),
            ]
        for plane, gathered in digits.items():
            now = Cat(getattr(neuron, plane) for neuron in neurons)
            with m.If(updating):
                m.d.sync += gathered.eq(Cat(gathered, now)[arch.tsa_width :])

        wiring.connect(m, wiring.flipped(self.o_words), pool.o)
        m.d.comb += [
            *(pool.i.payload[plane].eq(gathered) for plane, gathered in digits.items()),
            pool.i.payload.digit.eq(step - config.silent),
            pool.i.payload.address.eq(context.address),
            pool.i.payload.first.eq(context.first),
            pool.i.payload.last.eq(context.last),
            pool.i.payload.end.eq(ended),
            pool.plane.eq(config.plane),
            self.o_logits.payload.tile.eq(context.address),
            self.o_logits.payload.q.eq(q),
        ]
        over = Signal()  # the turn
        with m.If(over):
            m.d.sync += [step.eq(Mux(ended, 0, step + 1)), waiting.eq(~ended)]

        with m.FSM() as fsm:
            m.d.comb += self.idle.eq(fsm.ongoing("IDLE") & ~waiting)
            with m.State("IDLE"):
                m.d.sync += q.eq(0)
                with m.If(waiting & (sums.valid | ~integrates)):
                    m.d.comb += begins.eq(1)
                    m.next = "PASS"
            with m.State("PASS"):
                m.d.comb += store.wanted.eq(1)
                with m.If(store.ready):
                    m.d.comb += read.eq(1)
                    with m.If(answering & ended):
                        m.next = "PART"
                    with m.Else():
                        m.d.sync += q.eq(q + 1)
                        with m.If(last_pass):
                            m.next = "UPDATE"
            with m.State("UPDATE"):
                m.next = "WORD"
                with m.If(~fires):
                    m.d.comb += over.eq(1)
                    m.next = "IDLE"
            with m.State("WORD"):
                m.d.comb += pool.i.valid.eq(1)
                with m.If(pool.i.ready):
                    m.d.comb += over.eq(1)
                    m.next = "IDLE"
            with m.State("PART"):
                m.d.comb += self.o_logits.valid.eq(1)
                with m.If(self.o_logits.ready):
                    m.d.sync += q.eq(q + 1)
                    m.next = "PASS"
                    with m.If(last_pass):
                        m.d.comb += over.eq(1)
                        m.next = "IDLE"
        return m
