"""The whole accelerator: host port, sequencer, array, memories and answer."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from .answer import AnswerStore
from .architecture import Architecture
from .cluster import Cluster
from .dispatcher import Dispatcher
from .host_port import HostPort
from .layer_counters import STALLS
from .layout import PROGRAM_BITS, STREAM_BITS, WeightRequest, weight_row
from .lone_answer import LoneAnswer
from .ports import BLOCK_RAM, RegisterBus
from .registers import RegisterBank
from .sequencer import Sequencer
from .weight_loader import WeightLoader
from .word_writer import WordWriter


class Trace(wiring.Signature):
    """Spike words that layers write to the spike memory or send out, for benches: one a cycle in which `valid` is high.

    Members: valid Out(1), layer Out(range(max_layers)), address, pos, neg.
    """

    def __init__(self, arch: Architecture):
        super().__init__(
            {
                "valid": Out(1),
                "layer": Out(range(arch.max_layers)),
                "address": Out(arch.spike_address_bits),
                "pos": Out(arch.columns),
                "neg": Out(arch.columns),
            }
        )


class Accelerator(wiring.Component):
    """Top of the design; docs/machine.md is its contract.

    Function: the input stream loads programs, constants, weights and spikes and starts runs; the output stream gives
    spike words that leave and the answer of each run, with `o_last` at its last word; `registers` shows counters;
    weights that are not resident come in through `weights_rows`, a burst for each `weights_request`. `trace` (for
    benches, on request) shows every spike word as it is written or leaves. Throughput: one input word a cycle. Reset:
    idle; the memories keep their contents.
    """

    def __init__(self, arch: Architecture, *, trace: bool = False):
        self._arch = arch
        self._traced = trace
        super().__init__(
            {
                "i": In(stream.Signature(STREAM_BITS)),
                "o": Out(stream.Signature(signed(STREAM_BITS))),
                "o_last": Out(1),
                "registers": In(RegisterBus()),
                "weights_request": Out(stream.Signature(WeightRequest)),
                "weights_rows": In(stream.Signature(weight_row(arch))),
            }
            | ({"trace": Out(Trace(arch))} if trace else {})
        )

    @property
    def arch(self) -> Architecture:
        """The description that this instance was built from."""
        return self._arch

    def elaborate(self, platform):
        m = Module()
        arch = self._arch
        m.submodules.host = host = HostPort(arch)
        m.submodules.sequencer = sequencer = Sequencer(arch)
        m.submodules.dispatcher = dispatcher = Dispatcher(arch)
        m.submodules.writer = writer = WordWriter(arch)
        m.submodules.answer = answer = LoneAnswer(arch) if arch.lone_lane else AnswerStore(arch)
        m.submodules.bank = bank = RegisterBank(arch)
        m.submodules.loader = loader = WeightLoader(arch)
        clusters = [Cluster(arch) for _ in range(arch.clusters)]
        for number, cluster in enumerate(clusters):
            m.submodules[f"cluster{number}"] = cluster

        wiring.connect(m, wiring.flipped(self.i), host.i)
        self._connect_output(m, answer, writer)
        wiring.connect(m, wiring.flipped(self.registers), bank.bus)

        wiring.connect(m, loader.request, wiring.flipped(self.weights_request))
        wiring.connect(m, wiring.flipped(self.weights_rows), loader.rows)

        self._connect_program(m, host, sequencer, dispatcher, loader)

        weights, weights_enable = self._weight_writes(m, host, loader)
        header = sequencer.header
        for number, cluster in enumerate(clusters):
            m.d.comb += [
                cluster.constants.enable.eq(host.constants.enable),
                cluster.constants.address.eq(host.constants.address),
                cluster.constants.data.eq(host.constants.data),
                cluster.spikes.enable.eq(host.spikes.enable | writer.write.enable),
                cluster.spikes.address.eq(Mux(host.spikes.enable, host.spikes.address, writer.write.address)),
                cluster.spikes.data.eq(Mux(host.spikes.enable, host.spikes.data, writer.write.data)),
                cluster.config.time_steps.eq(header.layer.time_steps),
                cluster.config.silent.eq(header.layer.silent),
                cluster.config.mode.eq(header.layer.mode),
                cluster.config.plane.eq(header.output.plane),
            ]
            first_pair = number * arch.cluster_pairs
            m.d.comb += cluster.pause.eq(loader.pause[first_pair : first_pair + arch.cluster_pairs])
            wiring.connect(m, dispatcher.o_context[number], cluster.i_context)
            wiring.connect(m, cluster.o_words, writer.i[number])
            wiring.connect(m, cluster.o_answer, answer.i[number])
            for pair, port in enumerate(cluster.weights, first_pair):
                m.d.comb += [
                    port.enable.eq(weights_enable[pair]),
                    port.address.eq(weights.address),
                    port.data.eq(weights.data),
                ]
            for lane in range(arch.cluster_lanes):
                wiring.connect(m, dispatcher.o_slot[number * arch.cluster_lanes + lane], cluster.i_slot[lane])

        running = Signal()
        m.d.comb += [
            dispatcher.hungry.eq(Cat(cluster.hungry for cluster in clusters)),
            sequencer.run.eq(host.run),
            sequencer.weights_ready.eq(loader.ready),
            loader.start.eq(host.run),
            loader.list.eq(host.load_list),
            loader.layer.eq(sequencer.layer),
            loader.ended_layers.eq(sequencer.layer),
            host.busy.eq(running | host.run),
            writer.sink.eq(header.layer.sink),
            answer.clear.eq(host.run),
            answer.start.eq(sequencer.answer),
            answer.count.eq(sequencer.classes),
            sequencer.answered.eq(answer.done),
            # Many lanes' counters are shown while they are stored.
            sequencer.counted.eq(bank.complete if arch.lone_lane else 1),
            running.eq(sequencer.busy),
            bank.busy.eq(host.busy),
            bank.corrupt.eq(host.spikes.enable & (host.spikes.data.pos & host.spikes.data.neg).any()),
            bank.unknown_command.eq(host.unknown_command),
            bank.spikes_started.eq(host.spikes_started),
            bank.run.eq(host.run),
            bank.done.eq(sequencer.finished),
            bank.layer_done.eq(sequencer.layer_done),
            bank.words.eq(writer.moved),
        ]
        # From all lanes and blocks, seen at one time.
        m.d.sync += [
            sequencer.dispatched.eq(dispatcher.idle),
            sequencer.quiet.eq(writer.idle & Cat(cluster.idle for cluster in clusters).all()),
        ]
        m.d.sync += [
            bank.events.eq(sum(cluster.events for cluster in clusters)),
            *(getattr(bank, name).eq(sum(cluster.stalls[name] for cluster in clusters)) for name in STALLS),
        ]
        if self._traced:
            m.d.comb += [
                self.trace.valid.eq(writer.moved),
                self.trace.layer.eq(sequencer.layer),
                self.trace.address.eq(writer.write.address),
                self.trace.pos.eq(writer.write.data.pos),
                self.trace.neg.eq(writer.write.data.neg),
            ]
        return m

    def _weight_writes(self, m, host, loader) -> tuple[data.View, Signal]:
        """What is written to the weight memories, and to which of them; a cycle behind host and loader, and the data
        two, for the way to all of them is long. The memory of a lane alone is near, and its cells are few."""
        arch = self._arch
        layout = data.StructLayout({"address": range(arch.weight_rows), "data": weight_row(arch)})
        written = Signal(layout, reset_less=True)
        enable = Signal(arch.pairs)
        domain = m.d.comb if arch.lone_lane else m.d.sync
        for pair in range(arch.pairs):
            by_host = host.weights.enable & (host.weights_pair == pair)
            domain += enable[pair].eq(by_host | (loader.write.enable & loader.write_pairs[pair]))
        row = Signal(weight_row(arch), reset_less=True)
        domain += [
            written.address.eq(Mux(loader.write.enable, loader.write.address, host.weights.address)),
            row.eq(Mux(loader.write.enable, loader.write.data, host.weights.data)),
            written.data.eq(row),
        ]
        return written, enable

    def _connect_output(self, m, answer, writer):
        """Output stream: spike words that leave while layers run, then the answer; never both at once."""
        m.d.comb += [
            self.o.valid.eq(writer.o.valid | answer.o.valid),
            self.o.payload.eq(Mux(writer.o.valid, writer.o.payload, answer.o.payload)),
            self.o_last.eq(answer.last),
            writer.o.ready.eq(self.o.ready),
            answer.o.ready.eq(self.o.ready & ~writer.o.valid),
        ]

    def _connect_program(self, m, host, sequencer, dispatcher, loader):
        """Program memory: written by the host, read by the sequencer between layers and by the dispatcher in them.

        The weight loader reads it at any time, through the host's port: the host writes between runs only. A lane alone
        leaves its memory's only reading port free most of the time, which is then the loader's.
        """
        m.submodules.program = program = memory.Memory(
            shape=PROGRAM_BITS, depth=self._arch.program_words, init=[], attrs=BLOCK_RAM
        )
        write, read = program.write_port(), program.read_port()
        wanted, address = Signal(), Signal(range(self._arch.program_words))  # by the sequencer or the dispatcher
        m.d.comb += [
            wanted.eq(sequencer.reads_program | dispatcher.program_enable),
            address.eq(Mux(sequencer.reads_program, sequencer.program_address, dispatcher.program_address)),
            write.en.eq(host.program.enable),
            write.data.eq(host.program.data),
        ]
        if self._arch.lone_lane:
            m.d.comb += [
                write.addr.eq(host.program.address),
                read.addr.eq(Mux(wanted, address, loader.program_address)),
                loader.program_granted.eq(~wanted),
                loader.program_data.eq(read.data),
            ]
        else:
            lists = program.read_port()
            shared = Signal(range(self._arch.program_words))
            m.d.comb += [
                shared.eq(Mux(host.program.enable, host.program.address, loader.program_address)),
                lists.addr.eq(shared),
                lists.en.eq(~host.program.enable),
                loader.program_granted.eq(1),
                loader.program_data.eq(lists.data),
                write.addr.eq(shared),
                read.en.eq(wanted),
                read.addr.eq(address),
            ]
        m.d.comb += [
            sequencer.program_data.eq(read.data),
            dispatcher.program_data.eq(read.data),
            dispatcher.header.eq(sequencer.header),
            dispatcher.segments.eq(sequencer.segments),
            dispatcher.start.eq(sequencer.start),
        ]
