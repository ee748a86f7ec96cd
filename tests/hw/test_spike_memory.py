"""Spike memory: every lane reads at its bank's turn, any lanes at once, and gets the word READ_LATENCY cycles later."""

import random

import pytest
from amaranth.sim import Simulator
from shapes import PAIR

from trispike_hw import architecture
from trispike_hw.spike_memory import READ_LATENCY, READ_LATENCY_ALONE, SpikeMemory, slice_depths


@pytest.mark.parametrize(
    ("words", "width", "depths"),
    [
        (128, 32, [512]),
        (768, 16, [1024]),
        (1536, 32, [1024, 512]),
        (2304, 32, [2048, 512]),
        (3072, 32, [2048, 1024]),
        (3584, 32, [2048, 1024, 512]),
        (40000, 8, [16384, 16384, 8192]),
    ],
)
def test_slices_take_the_fewest_block_rams(words: int, width: int, depths: list[int]) -> None:
    assert slice_depths(words, width) == depths


@pytest.mark.parametrize(
    ("lanes", "spike_words"),
    [(1, 256), (2, 256), (4, 256), (8, 256), (1, 4608), (2, 4608), (2, 6144), (2, 7168), (4, 6144), (8, 9216)],
)  # banks of one slice, of two, the last one full or not, and of three; many banks of two
def test_all_lanes_read_at_once(lanes: int, spike_words: int) -> None:
    rng = random.Random(lanes)
    arch = architecture.build(PAIR.model_dump() | {"lanes": lanes, "spike_words": spike_words})
    dut = SpikeMemory(arch)
    words = [{plane: rng.getrandbits(arch.columns) for plane in ("pos", "neg")} for _ in range(arch.spike_words)]

    async def bench(ctx):
        for address in rng.sample(range(len(words)), len(words)):
            ctx.set(dut.write.enable, 1)
            ctx.set(dut.write.address, address)
            ctx.set(dut.write.data, words[address])
            await ctx.tick()
        ctx.set(dut.write.enable, 0)
        expected = []
        for _ in range(32 * arch.banks):
            turns = [ctx.get(turn) for turn in dut.turn]
            assert len({*turns}) == lanes and {*turns} <= {*range(arch.banks)}
            asked = [rng.randrange(arch.spike_words // arch.banks) * arch.banks + turn for turn in turns]
            for port, address in zip(dut.address, asked, strict=True):
                ctx.set(port, address)
            expected.append([(word["pos"] | word["neg"], word["neg"]) for word in map(words.__getitem__, asked)])
            await ctx.tick()
            if len(expected) == (READ_LATENCY_ALONE if arch.lone_lane else READ_LATENCY):
                found = [(ctx.get(port.spikes), ctx.get(port.neg)) for port in dut.data]
                assert found == expected.pop(0)

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
