"""Round robin: the next requester after the last one served, in every case."""

import random

import pytest
from amaranth.sim import Simulator

from trispike_hw.round_robin import RoundRobin


@pytest.mark.parametrize("count", [1, 2, 3, 8, 16])
def test_turns(count: int) -> None:
    rng = random.Random(count)
    dut = RoundRobin(count)
    served = set()

    async def bench(ctx):
        last = count - 1
        for _ in range(500):
            requests = rng.getrandbits(count) & rng.getrandbits(count)
            advance = rng.getrandbits(1)
            ctx.set(dut.requests, requests)
            ctx.set(dut.advance, advance)
            waiting = [(last + 1 + i) % count for i in range(count) if requests >> (last + 1 + i) % count & 1]
            assert ctx.get(dut.valid) == bool(waiting)
            assert ctx.get(dut.chosen) == (1 << waiting[0] if waiting else 0)
            if waiting:
                assert ctx.get(dut.index) == waiting[0]
                if advance:
                    last = waiting[0]
                    served.add(last)
            await ctx.tick()

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    assert served == set(range(count))
