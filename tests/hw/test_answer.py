"""Sums per class against Python integers: wrap-around, clearing, several clusters, stalls."""

import random

import pytest
from amaranth.sim import Simulator
from streams import drain, feed

from trispike_hw import architecture
from trispike_hw.answer import AnswerStore
from trispike_hw.architecture import Architecture
from trispike_hw.lone_answer import LoneAnswer
from trispike_hw.tsa_layout import answer_tiles

ARCHITECTURES = {
    name: architecture.build(architecture.preset("small").model_dump() | {"constant_tiles": 6} | fields)
    for name, fields in {
        "small": {},
        "four clusters": {"lanes": 8, "clusters": 4, "tsa_width": 8},
        "wide potentials": {"potential_bits": 32, "tsa_width": 16},
        "alone": {"lanes": 1, "columns": 8, "tsa_width": 1},
        "alone, in two passes": {"lanes": 1, "columns": 8, "tsa_width": 4},
        "one neuron": {"columns": 4, "tsa_width": 1, "lanes": 8, "clusters": 4},
    }.items()
}


def store_of(arch: Architecture) -> AnswerStore:
    return LoneAnswer(arch) if arch.lone_lane else AnswerStore(arch)


def random_part(rng: random.Random, arch: Architecture) -> dict:
    limit = 1 << arch.potential_bits - 1
    return {
        "tile": rng.choice((0, 1, rng.randrange(answer_tiles(arch)))),
        "q": rng.randrange(arch.tsa_passes),
        "values": [rng.randrange(-limit, limit) for _ in range(arch.tsa_width)],
    }


def total(arch: Architecture, parts: list[list[dict]], count: int) -> list[int]:
    """Signed 32-bit sum of each class."""
    sums = [0] * (answer_tiles(arch) * arch.columns)
    for part in (part for cluster in parts for part in cluster):
        for i, value in enumerate(part["values"]):
            sums[part["tile"] * arch.columns + part["q"] * arch.tsa_width + i] += value
    return [(x + (1 << 31)) % (1 << 32) - (1 << 31) for x in sums[:count]]


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("stall", [0.0, 0.5])
def test_runs_one_after_the_other(name: str, stall: float) -> None:
    arch = ARCHITECTURES[name]
    rng = random.Random(f"answer {name} {stall}")
    dut = store_of(arch)
    classes = answer_tiles(arch) * arch.columns
    runs = [
        ([[random_part(rng, arch) for _ in range(parts)] for _ in range(arch.clusters)], count)
        for parts, count in ((6, classes), (0, classes), (9, 1), (3, 7), (1, classes), (12, classes - 1))
    ]
    turn, fed, received = [-1], [0], []

    async def control(ctx):
        for number, (parts, count) in enumerate(runs):
            ctx.set(dut.clear, 1)
            await ctx.tick()
            ctx.set(dut.clear, 0)
            turn[0] = number
            while fed[0] < arch.clusters * (number + 1):
                await ctx.tick()
            received.clear()
            ctx.set(dut.count, count)
            ctx.set(dut.start, 1)
            await ctx.tick()
            ctx.set(dut.start, 0)
            ctx.set(dut.count, 0)
            await ctx.tick().until(dut.done)
            assert received == total(arch, parts, count), f"run {number}"

    def feeder(cluster: int, seed: random.Random):
        async def bench(ctx):
            for number, (parts, _) in enumerate(runs):
                while turn[0] < number:
                    await ctx.tick()
                await feed(ctx, dut.i[cluster], parts[cluster], seed, stall)
                fed[0] += 1

        return bench

    async def sink(ctx):
        await drain(ctx, dut.o, received.append, rng, stall, lambda: False)

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(sink, background=True)
    simulator.add_testbench(control)
    for cluster in range(arch.clusters):
        simulator.add_testbench(feeder(cluster, random.Random(rng.random())), background=True)
    simulator.run()


def test_cycles() -> None:
    """One part in tsa_width + 2 cycles; clearing takes a cycle for each class touched; a word of the answer a cycle."""
    arch = ARCHITECTURES["small"]
    dut = store_of(arch)
    parts, count = 10, 32
    took = {}

    async def bench(ctx):
        for run in ("after reset", "after two tiles"):
            ctx.set(dut.clear, 1)
            await ctx.tick()
            ctx.set(dut.clear, 0)
            ctx.set(dut.i[0].valid, 1)
            cycles = []
            for number in range(parts):
                ctx.set(dut.i[0].payload, {"tile": number % 2, "q": 3, "values": [1, 2, 3, 4]})
                cycle = 0
                ready = 0
                while not ready:
                    _, _, ready = await ctx.tick().sample(dut.i[0].ready)
                    cycle += 1
                cycles.append(cycle)
            ctx.set(dut.i[0].valid, 0)
            took[run] = cycles
            ctx.set(dut.o.ready, 1)
            ctx.set(dut.count, count)
            ctx.set(dut.start, 1)
            await ctx.tick()
            ctx.set(dut.start, 0)
            cycle = 1
            done = 0
            while not done:
                _, _, done = await ctx.tick().sample(dut.done)
                cycle += 1
            took["answer"] = cycle

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    assert set(took["after reset"][1:]) == {arch.tsa_width + 2}
    first = {run: took[run][0] for run in ("after reset", "after two tiles")}
    assert first["after reset"] - first["after two tiles"] == (answer_tiles(arch) - 2) * arch.columns
    assert first["after two tiles"] <= 2 * arch.columns + arch.tsa_width + 2
    assert took["answer"] <= count + 6
