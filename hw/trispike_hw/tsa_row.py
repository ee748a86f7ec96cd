"""The TSA row: the neurons at the south edge of a cluster, from synaptic sums to spike words or the answer."""

from functools import reduce
from itertools import pairwise
from operator import or_

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, fifo, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from .architecture import Architecture
from .constant_store import ConstantStore
from .layout import Mode, constant_word
from .max_pool import MaxPool
from .ports import WritePort
from .tsa_layout import answer_part, assignment, digit_word, layer_config, neuron_state, output_word, sums
from .tsa_neuron import BRANCHES, TsaNeuron
from .tsa_scheduler import TsaScheduler

STATE_WORDS = 16
"""Words of a distributed RAM."""

WORD_QUEUE = 16
"""Spike words that can wait behind the neurons: room for the eight turns that `hold` does not stop, and for more."""


class TsaRow(wiring.Component):
    """`columns` neurons per lane, computed `tsa_width` at a time for all lanes of a cluster in turn, and max pooling.

    Function: docs/machine.md, section "TSA row". Latency: from sums to their spike word 11 + tsa_passes cycles if
    nobody else is served; pooling adds the wait for the window's last item. Throughput: one vector of sums, or one
    silent step, in tsa_passes cycles. Back-pressure: while `o_words` waits, turns
    go on until their queue is half full; a final vector in mode LOGITS waits for `o_logits`, and all turns behind it
    with it. A reset forgets all items; constants stay.

    A neuron's state lies in a memory of cluster_lanes * tsa_passes words, 16 at most in the presets of many lanes: just
    what a distributed RAM of 16 words holds, while block RAM would stand empty but for one word in thirty. It is read a
    cycle behind the order, in front of the neurons' first register, so that a lane's next turn may begin a cycle
    earlier. Where half of the words are left, they stay 0: the state of a neuron that starts anew. A lane alone has a
    `LoneRow`.

    Members
    -------
    i_context : In(stream.Signature(assignment(arch)))
        Contexts of all lanes, those of one lane in order of its items. One whose lane has too many waiting stops those
        behind it.
    i_sums : In(stream.Signature(sums(arch))).array(cluster_lanes)
        Taken (`ready`) with the last of a turn's tsa_passes cycles; must stand still until then, as streams do.
        Those of a lane alone are taken part by part, one with each cycle of the turn.
    sums_soon : In(cluster_lanes)
        The lane's next sums stand at `i_sums`, or will two cycles later at the latest: its turn may begin.
    config : In(layer_config(arch))
        Stands still while the row is not idle.
    constants : In(WritePort)
        Constant memory: neurons k * constant_width .. of tile n are at address n * constant_passes + k.
    o_words : Out(stream.Signature(output_word(arch)))
    o_logits : Out(stream.Signature(answer_part(arch)))
    idle : Out(1)
        Every accepted context's item is finished and nothing waits at the outputs.
    """

    def __init__(self, arch: Architecture):
        self._arch = arch
        lanes = arch.cluster_lanes
        super().__init__(
            {
                "i_context": In(stream.Signature(assignment(arch))),
                "i_sums": In(stream.Signature(sums(arch))).array(lanes),
                "sums_soon": In(lanes),
                "config": In(layer_config(arch)),
                "constants": In(WritePort(range(arch.constant_words), constant_word(arch))),
                "o_words": Out(stream.Signature(output_word(arch))),
                "o_logits": Out(stream.Signature(answer_part(arch))),
                "idle": Out(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        arch = self._arch
        m.submodules.scheduler = scheduler = TsaScheduler(arch)
        wiring.connect(m, wiring.flipped(self.i_context), scheduler.i_context)
        order, issued = scheduler.o.payload, Signal()
        m.d.comb += [
            scheduler.config.eq(self.config),
            scheduler.sums_soon.eq(self.sums_soon),
            issued.eq(scheduler.o.valid & scheduler.o.ready),
        ]
        for lane, port in enumerate(self.i_sums):
            m.d.comb += port.ready.eq(issued & order.sums[lane] & scheduler.last_pass)

        # Read: sums, constants and states of the order, all there in the next cycle.
        m.submodules.store = store = ConstantStore(arch)
        wiring.connect(m, wiring.flipped(self.constants), store.write)
        branches = self._bus(m, order)
        words = arch.cluster_lanes * arch.tsa_passes
        zeros = words <= STATE_WORDS // 2
        m.submodules.states = states = memory.Memory(
            shape=data.ArrayLayout(neuron_state(arch), arch.tsa_width), depth=2 * words if zeros else words, init=[]
        )
        before = states.read_port(domain="comb")
        after, read_address = states.write_port(), Cat(order.q[: arch.pass_bits], order.lane)
        m.d.comb += [
            store.wanted.eq(scheduler.o.valid),
            store.moves.eq(scheduler.moves),
            store.comes.eq(scheduler.comes),
            store.next_tile.eq(scheduler.next_tile),
            store.tile.eq(order.context.constants),
            store.q.eq(order.q),
        ]

        # Update: the neurons take three stages; `stage` says what is in which of them, the last one writing back.
        stage_layout = data.StructLayout(
            {"valid": 1, "keep": 1, "biased": 1, "fires": 1, "last_pass": 1, "answer": 1, "address": len(read_address)}
        )
        stages = [Signal(stage_layout, name=f"stage{i}") for i in range(4)]
        read, written = stages[0], stages[-1]
        passing = self.config.mode == Mode.PASS
        answering = self.config.mode == Mode.LOGITS
        m.d.sync += [
            read.valid.eq(issued),
            read.keep.eq(~order.start & ~passing),
            read.biased.eq(order.start & Mux(answering, order.context.use_bias, ~passing)),
            read.fires.eq(order.fires),
            read.last_pass.eq(scheduler.last_pass),
            read.answer.eq(answering & order.end),
            read.address.eq(read_address),
            *(later.eq(earlier) for earlier, later in pairwise(stages)),
        ]
        # A neuron that starts anew has the state 0, out of the words that are never written, if there are any:
        # registers right behind distributed RAM then need no reset, with which a full device may be harder to place.
        state = Signal.like(before.data)
        m.d.comb += [
            before.addr.eq(Cat(read.address, ~read.keep) if zeros else read.address),
            Value.cast(state).eq(before.data if zeros else Mux(read.keep, before.data, 0)),
            after.en.eq(written.valid),
            after.addr.eq(written.address),
        ]
        neurons = [TsaNeuron(arch) for _ in range(arch.tsa_width)]
        for i, neuron in enumerate(neurons):
            m.submodules[f"neuron{i}"] = neuron
            m.d.comb += [
                neuron.enable.eq(read.valid),
                neuron.biased.eq(read.biased),
                neuron.fires.eq(read.fires),
                neuron.two_sided.eq(self.config.mode != Mode.RELU),
                neuron.unit_threshold.eq(passing),
                neuron.state.eq(state[i]),
                neuron.constants.eq(store.constants[i]),
                *(neuron.z[branch].eq(word[i]) for branch, word in enumerate(branches)),
                after.data[i].eq(neuron.o),
                self.o_logits.payload["values"][i].eq(neuron.o.potential),
            ]

        answer_pending = self._answer(m, order, issued, stages[-2])
        m.d.comb += scheduler.o.ready.eq(~answer_pending & store.ready)
        words_idle = self._words(m, scheduler, issued, neurons, written)
        m.d.comb += self.idle.eq(
            scheduler.idle & ~Cat(stage.valid for stage in stages).any() & ~answer_pending & words_idle
        )
        return m

    def _bus(self, m: Module, order: data.View) -> list[data.View]:
        """The sums that `order` integrates, a cycle later, as the union of some branches; 0 in a silent step after the
        last sums.

        Every lane's sums pass a register that is zero unless it is its turn, which costs no look-up table. Then a third
        of one a bit and lane unites them, where a multiplexer would take two thirds. Where lanes are many two words
        share one register, with a look-up table a bit before it: such arrays are short of flip-flops. There neighbours
        make a branch, too, so that their words are one when they come to the neurons: such arrays are short of wires.
        """
        width = self._arch.tsa_width
        part = data.ArrayLayout(sums(self._arch).elem_shape, width)
        branches: list[list[Value]] = [[] for _ in range(BRANCHES)]
        groups = [(lane, q) for lane in range(self._arch.cluster_lanes) for q in range(self._arch.tsa_passes)]
        sharing = 1 if len(groups) <= 2 * BRANCHES else 2
        for number, first in enumerate(range(0, len(groups), sharing)):
            gated = Signal(part, name=f"gated{number}", reset_less=True)
            turns = []
            for lane, q in groups[first : first + sharing]:
                given = Cat(self.i_sums[lane].payload[q * width + i] for i in range(width))
                turns.append(Mux(order.sums[lane] & (order.q == q), given, 0))
            m.d.sync += Value.cast(gated).eq(reduce(or_, turns))
            branches[first * BRANCHES // len(groups) if sharing > 1 else number % BRANCHES].append(Value.cast(gated))
        return [part(reduce(or_, words, Const(0, part.size))) for words in branches]

    def _answer(self, m: Module, order: data.View, issued: Value, arriving: data.View) -> Signal:
        """Final potentials to `o_logits`. While one part is on its way nothing follows it (the signal returned), so the
        neurons' last registers hold it until it is taken."""
        pending = Signal()
        with m.If(self.o_logits.valid & self.o_logits.ready):
            m.d.sync += [self.o_logits.valid.eq(0), pending.eq(0)]
        with m.If(arriving.valid & arriving.answer):
            m.d.sync += self.o_logits.valid.eq(1)
        with m.If(issued & order.end & (self.config.mode == Mode.LOGITS)):
            m.d.sync += [
                pending.eq(1),
                self.o_logits.payload.tile.eq(order.context.address),
                self.o_logits.payload.q.eq(order.q),
            ]
        return pending

    def _words(
        self, m: Module, scheduler: TsaScheduler, issued: Value, neurons: list[TsaNeuron], written: data.View
    ) -> Value:
        """Digits to spike words, through pooling to `o_words`. Returns whether no word is under way."""
        arch = self._arch
        order = scheduler.o.payload
        digits = {"pos": Signal(arch.columns), "neg": Signal(arch.columns)}
        for plane, gathered in digits.items():
            now = Cat(getattr(neuron, plane) for neuron in neurons)
            if arch.tsa_passes == 1:
                m.d.comb += gathered.eq(now)
                continue
            earlier = Signal(arch.columns - arch.tsa_width, name=f"earlier_{plane}")
            m.d.comb += gathered.eq(Cat(earlier, now))
            with m.If(written.valid):
                m.d.sync += earlier.eq(gathered[arch.tsa_width :])

        # What a word is for is known when its last order is issued, what it says three stages later: two queues.
        purpose = data.StructLayout({key: field.shape for key, field in digit_word(arch) if key not in digits})
        depth = WORD_QUEUE
        m.submodules.purposes = purposes = fifo.SyncFIFO(width=purpose.size, depth=depth)
        m.submodules.words = words = fifo.SyncFIFO(width=2 * arch.columns, depth=depth)
        m.submodules.pool = pool = MaxPool(arch)
        full: Value = words.level >= depth // 2
        if arch.spread:
            full = Signal()
            m.d.sync += full.eq(words.level >= depth // 2 - 1)  # a word may have come since
        noted = Signal(purpose)
        m.d.comb += [
            noted.lane.eq(order.lane),
            noted.digit.eq(order.digit),
            noted.address.eq(order.context.address),
            noted.first.eq(order.context.first),
            noted.last.eq(order.context.last),
            noted.end.eq(order.end),
            purposes.w_data.eq(noted),
            purposes.w_en.eq(issued & scheduler.last_pass & order.fires),
            words.w_data.eq(Cat(digits["pos"], digits["neg"])),
            words.w_en.eq(written.valid & written.last_pass & written.fires),
            scheduler.hold.eq(full),
            pool.i.valid.eq(words.r_rdy),
            pool.i.payload.eq(Cat(purposes.r_data, words.r_data)),
            purposes.r_en.eq(words.r_rdy & pool.i.ready),
            words.r_en.eq(pool.i.ready),
            pool.plane.eq(self.config.plane),
        ]
        m.d.sync += pool.short.eq(self.config.time_steps <= 2)
        wiring.connect(m, wiring.flipped(self.o_words), pool.o)
        return ~words.r_rdy & pool.idle
