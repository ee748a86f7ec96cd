"""Host port: rows arrive whole and in place, commands wait, pulses mean what they say, at one word a cycle."""

import random
from dataclasses import dataclass, field

import pytest
from amaranth.sim import Simulator

from trispike_hw.architecture import Architecture, preset
from trispike_hw.host_port import HostPort
from trispike_hw.layout import Command, Opcode, Target, pack

ODD = Architecture(
    lanes=2,
    clusters=1,
    columns=8,
    weight_bits=7,
    accumulator_bits=16,
    potential_bits=20,
    threshold_bits=11,
    bias_bits=13,
    max_time_steps=8,
    spike_words=258,
    weight_rows=65,
    constant_tiles=4,
    program_words=64,
    tsa_width=2,
    sum_vectors=2,
    max_segments=2,
    max_layers=4,
)
ROW_BITS = {
    "small": {Target.PROGRAM: 64, Target.CONSTANTS: 2 * 56, Target.WEIGHTS: 128, Target.SPIKES: 32},
    "custom": {Target.PROGRAM: 64, Target.CONSTANTS: 2 * 35, Target.WEIGHTS: 56, Target.SPIKES: 16},
}


@dataclass
class Seen:
    """What came out of the host port, with the cycle in which it came."""

    writes: list[tuple[Target, int, int, int]] = field(default_factory=list)  # target, pair, address, data
    write_cycles: list[int] = field(default_factory=list)
    pulses: list[tuple[int, str]] = field(default_factory=list)
    taken_cycles: list[int] = field(default_factory=list)

    def count(self, name: str) -> int:
        """How often pulse `name` was seen."""
        return sum(pulse == name for _, pulse in self.pulses)


def run(arch: Architecture, stream: list[int], seed: int | None = None, busy_cycles: int = 0) -> Seen:
    """Feed `stream` (with random gaps if `seed` is given); after each `run`, `busy` is high for `busy_cycles`."""
    dut, seen = HostPort(arch), Seen()
    chance = random.Random(seed)
    ports = {Target.PROGRAM: dut.program, Target.CONSTANTS: dut.constants, Target.WEIGHTS: dut.weights,
             Target.SPIKES: dut.spikes}  # fmt: skip
    idle = 0

    async def bench(ctx):
        nonlocal idle
        left, cycle, busy, offered = list(stream), 0, 0, False
        while idle < 20 + busy_cycles:
            if not offered and left and (seed is None or chance.random() < 0.6):
                ctx.set(dut.i.payload, left[0])
                ctx.set(dut.i.valid, 1)
                offered = True
            ctx.set(dut.busy, busy > 0)
            taken = offered and ctx.get(dut.i.ready)
            for target, port in ports.items():
                if ctx.get(port.enable):
                    data = ctx.get(port.data)
                    data = data if isinstance(data, int) else data.as_bits()
                    pair = ctx.get(dut.weights_pair) if target == Target.WEIGHTS else 0
                    seen.writes.append((target, pair, ctx.get(port.address), data))
                    seen.write_cycles.append(cycle)
            for name in ("run", "spikes_started", "unknown_command"):
                if ctx.get(getattr(dut, name)):
                    seen.pulses.append((cycle, name))
            busy = busy_cycles if ctx.get(dut.run) else max(busy - 1, 0)
            await ctx.tick()
            if taken:
                seen.taken_cycles.append(cycle)
                left.pop(0)
                offered = False
                ctx.set(dut.i.valid, 0)
            idle = 0 if left else idle + 1
            cycle += 1

    simulator = Simulator(dut)
    simulator.add_clock(1e-8)
    simulator.add_testbench(bench)
    simulator.run()
    return seen


def command(opcode: int, target: int = 0, index: int = 0, address: int = 0, count: int = 0) -> list[int]:
    """The three words of a command, numbers unchecked."""
    return [opcode | target << 4 | index << 8, address, count]


def write(arch: Architecture, target: Target, address: int, rows: list[int], index: int = 0) -> list[int]:
    """A WRITE command with its payload; bits above a row's width are set, to show that they are ignored."""
    bits = ROW_BITS[arch.name][target]
    words = -(-bits // 32)
    first = pack(Command, {"opcode": Opcode.WRITE, "target": target, "index": index})
    payload = [(row | -1 << bits) >> 32 * i & 0xFFFF_FFFF for row in rows for i in range(words)]
    return [first, address, len(rows), *payload]


@pytest.mark.parametrize("arch", [preset("small"), ODD], ids=["small", "odd"])
@pytest.mark.parametrize("seed", [None, 1, 2])
def test_rows_arrive_whole_and_in_place(arch, seed):
    chance = random.Random(7)
    depth = {Target.PROGRAM: arch.program_words, Target.CONSTANTS: arch.constant_words,
             Target.WEIGHTS: arch.weight_rows, Target.SPIKES: arch.spike_words}  # fmt: skip
    stream, expected = [], []
    for _ in range(12):
        target = chance.choice(list(Target))
        index = chance.randrange(arch.pairs) if target == Target.WEIGHTS else 0
        rows = [chance.getrandbits(ROW_BITS[arch.name][target]) for _ in range(chance.randrange(5))]
        address = chance.choice([0, depth[target] - len(rows), chance.randrange(depth[target] - 5)])
        stream += write(arch, target, address, rows, index)
        expected += [(target, index, address + i, row) for i, row in enumerate(rows)]
    seen = run(arch, stream, seed)
    assert seen.writes == expected
    assert len(seen.taken_cycles) == len(stream)


@pytest.mark.parametrize("target", list(Target))
def test_sustains_a_word_a_cycle(target):
    arch = preset("small")
    stream = write(arch, target, 3, list(range(10))) + write(arch, Target.SPIKES, 0, [1])
    seen = run(arch, stream)
    assert seen.taken_cycles == list(range(len(stream)))
    words = -(-ROW_BITS["small"][target] // 32)
    assert seen.write_cycles[:10] == [3 + words * (i + 1) for i in range(10)]


@pytest.mark.parametrize("seed", [None, 3])
@pytest.mark.parametrize("following", ["run", "write"])
def test_a_command_waits_while_busy(seed, following):
    arch = preset("small")
    then = command(Opcode.RUN.value) if following == "run" else write(arch, Target.SPIKES, 9, [5])
    seen = run(arch, command(Opcode.RUN.value) + then, seed, busy_cycles=30)
    started = next(cycle for cycle, name in seen.pulses if name == "run")
    assert seen.taken_cycles[2] == started - 1
    assert seen.taken_cycles[3] >= started + 31
    assert seen.count("run") == (2 if following == "run" else 1)


def test_first_spikes_after_reset_and_after_an_answer_are_announced():
    arch = preset("small")
    spikes = write(arch, Target.SPIKES, 0, [1, 2])
    stream = write(arch, Target.PROGRAM, 0, [4]) + spikes + spikes + command(Opcode.RUN.value)
    seen = run(arch, stream + spikes + command(Opcode.RUN.value), busy_cycles=4)
    assert [name for _, name in seen.pulses] == ["spikes_started", "run"] * 2
    assert seen.pulses[0][0] == seen.taken_cycles[5] + 1
    assert seen.pulses[2][0] == seen.taken_cycles[5 + 10 + 3] + 1


@pytest.mark.parametrize(
    "unknown",
    [command(0), command(3, count=5), command(1, target=4, count=7), command(1, target=15),
     command(1, target=2, index=2), command(15, target=3, count=0xFFFF_FFFF)],
    ids=["opcode 0", "opcode 3", "target 4", "target 15", "pair 2 of 2", "all"],
)  # fmt: skip
def test_unknown_commands_are_dropped_and_reported(unknown):
    arch = preset("small")
    after = write(arch, Target.WEIGHTS, 11, [0x1234 << 100], index=1)
    seen = run(arch, unknown + after + unknown + command(Opcode.RUN.value))
    assert seen.writes == [(Target.WEIGHTS, 1, 11, 0x1234 << 100)]
    assert [name for _, name in seen.pulses] == ["unknown_command", "unknown_command", "run"]


def test_an_empty_write_has_no_payload():
    arch = preset("small")
    seen = run(arch, write(arch, Target.CONSTANTS, 5, []) + write(arch, Target.SPIKES, 8, [6]))
    assert seen.writes == [(Target.SPIKES, 0, 8, 6)]
    assert seen.count("unknown_command") == 0
