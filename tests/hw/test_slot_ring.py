"""Ring of slots: every segment of every item, round after round, with the address that its last walk left."""

import itertools
import random
from typing import Any

import pytest
from amaranth.sim import Simulator
from streams import feed

from trispike_hw import architecture
from trispike_hw.slot_ring import SlotRing

NANO = architecture.preset("nano")
STEP = 37  # between the addresses of a segment's steps, in these tests


def slots_of(items: list[list[int]]) -> list[dict[str, int]]:
    """Slots of items whose segments begin at the given addresses; `weight` tells the segments apart."""
    numbers = itertools.count()
    return [
        {"address": address, "weight": next(numbers), "last": at == len(item) - 1}
        for item in items
        for at, address in enumerate(item)
    ]


def walks_of(items: list[list[int]], steps: int) -> list[tuple[int, int]]:
    """(segment, address) of all walks, in order."""
    walks, first = [], 0
    for item in items:
        walks += [
            (first + at, (address + step * STEP) % NANO.spike_words)
            for step in range(steps)
            for at, address in enumerate(item)
        ]
        first += len(item)
    return walks


def walked(items: list[list[int]], steps: int, seed: int, stall: float, longest: int) -> tuple[list, list[int]]:
    """What the ring has walked, each walk 1 to `longest` cycles long; and the idle cycles before every walk."""
    dut = SlotRing(NANO)
    rng = random.Random(seed)
    walks: list[tuple[int, int]] = []
    gaps: list[int] = []
    total = len(walks_of(items, steps))

    async def send(ctx: Any) -> None:
        await feed(ctx, dut.i, slots_of(items), random.Random(~seed), stall)

    async def walk(ctx: Any) -> None:
        ctx.set(dut.time_steps, steps)
        ctx.set(dut.free, 1)
        left, address, gap = 0, 0, 0
        while len(walks) < total or left:
            assert gap < 1000, f"nothing came behind walk {len(walks)}"
            ctx.set(dut.free, left == 0)
            ctx.set(dut.ending, left == 1 or (left > 1 and rng.random() < 0.5))
            ctx.set(dut.finish, left == 1)
            ctx.set(dut.next_address, (address + STEP) % NANO.spike_words if left == 1 else rng.getrandbits(12))
            if left:
                assert ctx.get(dut.segment.weight) == walks[-1][0]
            gap = 0 if left > 1 else gap + (left == 0)
            left = max(0, left - 1)
            if ctx.get(dut.load):
                address = ctx.get(dut.next_address) if ctx.get(dut.again) else ctx.get(dut.address)
                walks.append((ctx.get(dut.upcoming.weight), address))
                gaps.append(gap)
                gap, left = 0, rng.randint(1, longest)
            await ctx.tick()

    simulator = Simulator(dut)
    simulator.add_clock(1e-8)
    simulator.add_testbench(send, background=True)
    simulator.add_testbench(walk)
    simulator.run()
    assert walks == walks_of(items, steps)
    return walks, gaps


@pytest.mark.parametrize("seed", range(12))
def test_every_segment_of_every_step_in_order(seed: int) -> None:
    rng = random.Random(seed)
    items = [
        [rng.randrange(NANO.spike_words) for _ in range(rng.choice((1, 1, 2, 3, NANO.max_segments)))] for _ in range(30)
    ]
    walked(items, steps=1 + seed % 5, seed=seed, stall=rng.choice((0, 0.5, 0.9)), longest=rng.choice((1, 2, 9)))


@pytest.mark.parametrize(("segments", "gap"), [(1, 0), (2, 1), (3, 0), (8, 0)])
def test_the_next_walk_begins_in_the_next_cycle(segments: int, gap: int) -> None:
    """Of two segments with walks a cycle long, the one that follows the end of the other waits for its address."""
    _, gaps = walked([[100 + i for i in range(segments)] for _ in range(2)], steps=4, seed=0, stall=0, longest=1)
    within = gaps[segments : 4 * segments]  # the later steps of the first item: everything has come by then
    assert max(within) == gap
