"""Host port: reads commands from the input stream, fills the memories and starts the program."""

from typing import Any

from amaranth.hdl import Cat, Module, Shape, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from .architecture import Architecture
from .layout import PROGRAM_BITS, STREAM_BITS, Command, Opcode, Target, constant_word, spike_word, weight_row
from .ports import WritePort


class HostPort(wiring.Component):
    """Parses commands of three words (`Command`, address, count) and the payload of a WRITE.

    Throughput: one 32-bit word a cycle. Latency: a row is written, and `run`, `spikes_started` and `unknown_command`
    pulse, in the cycle after the word that completes or causes them; where a lane is alone, a row is written with that
    word. Back-pressure: `i.ready` falls only between two
    commands, while `busy` is high or about to be. The low bits of address and count are used, as many as the deepest
    memory needs. A command with an unknown opcode or target, or a lane pair that does not exist, loses its three words
    and pulses `unknown_command`; its count is ignored. Reset drops a half-read command and a half-assembled row.

    Ports:
        i: 32-bit input stream.
        program, constants, weights, spikes: write ports of the memories; `weights_pair` says which pair's memory.
        run: pulse, starts the program; `load_list` is the count of its RUN command then.
        busy: high from the cycle after `run` until the last word of the answer has been taken.
        spikes_started: pulse for the first word of the first SPIKES command after reset or after an answer.
        unknown_command: pulse.
    """

    i: stream.Interface
    program: Any  # members depend on the architecture
    constants: Any  # members depend on the architecture
    weights: Any  # members depend on the architecture
    weights_pair: Signal
    spikes: Any  # members depend on the architecture
    run: Signal
    load_list: Signal
    busy: Signal
    spikes_started: Signal
    unknown_command: Signal

    def __init__(self, arch: Architecture) -> None:
        self._arch = arch
        super().__init__(
            {
                "i": In(stream.Signature(STREAM_BITS)),
                "program": Out(WritePort(range(arch.program_words), PROGRAM_BITS)),
                "constants": Out(WritePort(range(arch.constant_words), constant_word(arch))),
                "weights": Out(WritePort(range(arch.weight_rows), weight_row(arch))),
                "weights_pair": Out(range(max(arch.pairs, 2))),  # Verilog has no signal without bits
                "spikes": Out(WritePort(arch.spike_address_bits, spike_word(arch))),
                "run": Out(1),
                "load_list": Out(range(arch.program_words)),
                "busy": In(1),
                "spikes_started": Out(1),
                "unknown_command": Out(1),
            }
        )

    @property
    def arch(self) -> Architecture:
        """The architecture whose memories this block fills."""
        return self._arch

    def elaborate(self, platform: object) -> Module:
        """See the class."""
        m = Module()
        ports = {
            Target.PROGRAM: self.program,
            Target.CONSTANTS: self.constants,
            Target.WEIGHTS: self.weights,
            Target.SPIKES: self.spikes,
        }
        row_bits = {target: Shape.cast(port.signature.members["data"].shape).width for target, port in ports.items()}
        row_words = {target: -(-bits // STREAM_BITS) for target, bits in row_bits.items()}
        most_words = max(row_words.values())
        deepest = max(
            self.arch.program_words, self.arch.constant_words, self.arch.weight_rows, 1 << self.arch.spike_address_bits
        )

        command = data.View(Command, Signal(Shape.cast(Command).width))
        known = Signal()
        address = Signal(range(deepest), reset_less=True)
        rows_left = Signal(range(deepest + 1))
        words_left = Signal(range(most_words))
        written = Signal()
        # The words of a row enter at the top, so the row of an n-word memory ends up in the n uppermost words.
        row = Signal(most_words * STREAM_BITS, reset_less=True)
        answer_taken = Signal(init=1)

        taken = self.i.valid & self.i.ready
        coming = Cat(row[STREAM_BITS:], self.i.payload)
        first = data.View(Command, self.i.payload)

        def restart_row() -> None:
            with m.Switch(command.target):
                for target, count in row_words.items():
                    with m.Case(target):
                        m.d.sync += words_left.eq(count - 1)

        completes = Signal()  # a row, with the word that is taken
        # A lane alone writes it at once, without a register for the last word.
        at_once = self.arch.lone_lane
        if at_once:
            m.d.comb += written.eq(completes)
        else:
            m.d.sync += written.eq(completes)
        m.d.sync += [
            self.run.eq(0),
            self.spikes_started.eq(0),
            self.unknown_command.eq(0),
            address.eq(address + written),
        ]
        with m.If(self.busy):
            m.d.sync += answer_taken.eq(1)

        # Behind COMMAND words are always taken: there `valid` says so, without what a command may have to wait for.
        with m.FSM(name="command_fsm"):
            with m.State("COMMAND"):
                m.d.comb += self.i.ready.eq(~(self.busy | self.run))
                m.d.sync += command.eq(self.i.payload)
                m.d.sync += known.eq(0)
                with m.Switch(first.opcode):
                    with m.Case(Opcode.RUN):
                        m.d.sync += known.eq(1)
                    with m.Case(Opcode.WRITE), m.Switch(first.target):
                        with m.Case(Target.WEIGHTS):
                            m.d.sync += known.eq(first.index < self.arch.pairs)
                        with m.Case(*(target for target in ports if target != Target.WEIGHTS)):
                            m.d.sync += known.eq(1)
                with m.If(taken):
                    with m.If(answer_taken & (first.opcode == Opcode.WRITE) & (first.target == Target.SPIKES)):
                        m.d.sync += [self.spikes_started.eq(1), answer_taken.eq(0)]
                    m.next = "ADDRESS"
            with m.State("ADDRESS"):
                m.d.comb += self.i.ready.eq(1)
                restart_row()
                with m.If(self.i.valid):
                    m.d.sync += address.eq(self.i.payload)
                    m.next = "COUNT"
            with m.State("COUNT"):
                m.d.comb += self.i.ready.eq(1)
                m.d.sync += [rows_left.eq(self.i.payload), self.load_list.eq(self.i.payload)]
                with m.If(self.i.valid):
                    m.d.sync += [
                        self.unknown_command.eq(~known),
                        self.run.eq(known & (command.opcode == Opcode.RUN)),
                    ]
                    m.next = "COMMAND"
                    with m.If(known & (command.opcode == Opcode.WRITE) & self.i.payload[: len(rows_left)].any()):
                        m.next = "PAYLOAD"
            with m.State("PAYLOAD"):
                m.d.comb += self.i.ready.eq(1)
                with m.If(self.i.valid):
                    m.d.sync += [row.eq(coming), words_left.eq(words_left - 1)]
                    with m.If(words_left == 0):
                        restart_row()
                        m.d.comb += completes.eq(1)
                        m.d.sync += rows_left.eq(rows_left - 1)
                        with m.If(rows_left == 1):
                            m.next = "COMMAND"

        for target, port in ports.items():
            low = (most_words - row_words[target]) * STREAM_BITS
            m.d.comb += [
                port.enable.eq(written & (command.target == target)),
                port.address.eq(address),
                Value.cast(port.data).eq((coming if at_once else row)[low : low + row_bits[target]]),
            ]
        m.d.comb += self.weights_pair.eq(command.index)
        return m
