"""A stand-in for the accelerator: same ports, host port and registers, but it plays back what the emulator computed.

Benches of the co-simulation use it where the design under test has to be wrong in a chosen way, or small.
"""

from dataclasses import dataclass, field
from functools import reduce
from operator import xor

import numpy as np
from amaranth.back import verilog
from amaranth.hdl import Module, Signal
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from trispike.emulator import Emulator
from trispike.program import Program
from trispike.streams import input_stream, load_stream, weight_words
from trispike_hw.architecture import Architecture
from trispike_hw.host_port import HostPort
from trispike_hw.layer_counters import LAG
from trispike_hw.layout import WeightRequest, weight_row
from trispike_hw.ports import RegisterBus
from trispike_hw.registers import RegisterBank


class Step(enum.Enum, shape=3):
    """What the stand-in does in a cycle."""

    PAUSE = 0
    STORE = 1
    END_LAYER = 2
    ANSWER = 3
    END = 4
    HANG = 5
    REQUEST = 6
    ROW = 7


#: Cycles of the pause before a layer's words, in which the register bank stores the counters of the layer before.
SHORTEST_LAYER = LAG


@dataclass
class Playback:
    """Steps of all runs of a program, to be altered at will: (step, layer, address, 32 bits).

    The bits are the spikes of a stored word, a word of the answer, the first row of a request (whose address is the
    count), or what the words of an external weight row come to, one XOR the other. Rows that come to anything else show
    in all answers that follow.
    """

    arch: Architecture
    steps: list[tuple[Step, int, int, int]] = field(default_factory=list)

    @classmethod
    def of(cls, program: Program, images: np.ndarray) -> "Playback":
        """What a right machine does with `images`."""
        playback, emulator = cls(program.arch), Emulator(program.arch)
        emulator.feed(load_stream(program))
        for image in images:
            emulator.feed(input_stream(program, image))
            for number, layer in enumerate(emulator.runs[-1].layers):
                playback.steps += [(Step.PAUSE, number, 0, 0)] * SHORTEST_LAYER
                for address, spikes in zip(layer.addresses.tolist(), layer.spikes.tolist(), strict=True):
                    playback.steps.append((Step.STORE, number, address, spikes))
                playback.steps.append((Step.END_LAYER, number, 0, 0))
            playback.steps += [(Step.ANSWER, 0, 0, word) for word in emulator.runs[-1].output.tolist()]
            playback.steps.append((Step.END, 0, 0, 0))
        return playback

    def stream_in(self, index: int, external: np.ndarray, source: int, count: int) -> None:
        """Let a burst of `count` rows of `external` from `source` on take place before the step `index`."""
        rows = weight_words(external[source : source + count], self.arch.weight_bits)
        folded = np.bitwise_xor.reduce(rows, axis=1).tolist()
        self.steps[index:index] = [(Step.REQUEST, 0, count, source), *((Step.ROW, 0, 0, row) for row in folded)]

    def find(self, step: Step, occurrence: int = 0) -> int:
        """Index of a step of that kind."""
        return [index for index, (kind, *_) in enumerate(self.steps) if kind == step][occurrence]

    def alter(self, index: int, *, address: int | None = None, flip: int = 0) -> None:
        """Change the address of a step, or flip bits of its word."""
        kind, layer, old, word = self.steps[index]
        self.steps[index] = (kind, layer, old if address is None else address, word ^ flip)

    def verilog(self) -> str:
        """Module `accelerator` that plays these steps."""
        return verilog.convert(Player(self), name="accelerator", emit_src=False, strip_internal_attrs=True)


class Player(wiring.Component):
    """Plays the steps of one run each time the host says RUN. Counts one event a stored word."""

    def __init__(self, playback: Playback) -> None:
        self._playback = playback
        arch = playback.arch
        trace = {"valid": 1, "layer": range(arch.max_layers), "address": arch.spike_address_bits,
                 "pos": arch.columns, "neg": arch.columns}  # fmt: skip
        super().__init__(
            {
                "i": In(stream.Signature(32)),
                "o": Out(stream.Signature(32)),
                "weights_request": Out(stream.Signature(WeightRequest)),
                "weights_rows": In(stream.Signature(weight_row(arch))),
                "registers": In(RegisterBus()),
                "trace": Out(wiring.Signature({name: Out(shape) for name, shape in trace.items()})),
            }
        )

    def elaborate(self, platform):
        m = Module()
        arch, steps = self._playback.arch, self._playback.steps
        layout = data.StructLayout({"kind": Step, "layer": range(arch.max_layers), "address": arch.spike_address_bits,
                                    "word": 32})  # fmt: skip
        init = [dict(zip(layout.members, step, strict=True)) for step in steps]
        m.submodules.steps = memory = Memory(shape=layout, depth=len(steps), init=init)
        m.submodules.host = host = HostPort(arch)
        m.submodules.bank = bank = RegisterBank(arch)
        wiring.connect(m, wiring.flipped(self.i), host.i)
        wiring.connect(m, wiring.flipped(self.registers), bank.bus)

        read = memory.read_port(domain="comb")
        step, at, running = read.data, Signal(range(len(steps) + 1)), Signal()
        store = running & (step.kind == Step.STORE)
        answer = running & (step.kind == Step.ANSWER)
        with m.If(host.run):
            m.d.sync += running.eq(1)
        request = running & (step.kind == Step.REQUEST)
        row = running & (step.kind == Step.ROW)
        row_words = [self.weights_rows.payload.as_value()[low : low + 32]
                     for low in range(0, arch.columns * arch.weight_bits, 32)]  # fmt: skip
        fault = Signal(32)
        with m.If(row & self.weights_rows.valid):
            m.d.sync += fault.eq(fault | (reduce(xor, row_words) ^ step.word))
        waits = (
            (answer & ~self.o.ready)
            | (request & ~self.weights_request.ready)
            | (row & ~self.weights_rows.valid)
            | (step.kind == Step.HANG)
        )
        with m.If(running & ~waits):
            m.d.sync += at.eq(at + 1)
            with m.If(step.kind == Step.END):
                m.d.sync += running.eq(0)
        m.d.comb += [
            read.addr.eq(at),
            host.busy.eq(running),
            self.o.valid.eq(answer),
            self.o.payload.eq(step.word ^ fault),
            self.weights_request.valid.eq(request),
            self.weights_request.payload.source.eq(step.word),
            self.weights_request.payload.count.eq(step.address),
            self.weights_rows.ready.eq(row),
            self.trace.valid.eq(store),
            self.trace.layer.eq(step.layer),
            self.trace.address.eq(step.address),
            self.trace.pos.eq(step.word[: arch.columns]),
            self.trace.neg.eq(step.word[arch.columns : 2 * arch.columns]),
            bank.busy.eq(running),
            bank.run.eq(host.run),
            bank.unknown_command.eq(host.unknown_command),
            bank.spikes_started.eq(host.spikes_started),
            bank.corrupt.eq(store & (self.trace.pos & self.trace.neg).any()),
            bank.done.eq(running & (step.kind == Step.END)),
            bank.events.eq(store),
            bank.words.eq(store),
            bank.layer_done.eq(running & (step.kind == Step.END_LAYER)),
        ]
        return m
