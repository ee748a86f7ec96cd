"""Event walk: the events of random words, in order, one per cycle."""

import random

import pytest
from amaranth.sim import Simulator
from shapes import PAIR

from trispike_hw import architecture
from trispike_hw.walker import Walker

WORDS = 300


def random_word(rng: random.Random, columns: int, rows: int) -> dict:
    spikes = rng.getrandbits(columns) & rng.getrandbits(columns)
    neg = spikes & rng.getrandbits(columns)
    return {
        "spikes": spikes,
        "neg": rng.getrandbits(columns) & ~spikes | neg,
        "weight": rng.randrange(rows),
        "lanewise": rng.random() < 0.3,
        "repeats": rng.choice((1, 1, 2, 15)),
        "end": not spikes or rng.random() < 0.2,
    }


def expected_events(word: dict, columns: int, rows: int) -> list[tuple]:
    """(valid, sign, weight row or None without valid columns, end, fired)."""
    spikes, neg, everyone = word["spikes"], word["neg"] & word["spikes"], (1 << columns) - 1
    if not spikes:
        return [(0, 0, None, word["end"], False)]
    if word["lanewise"]:
        return [
            (spikes, neg, (word["weight"] + repeat) % rows, word["end"] and repeat + 1 == word["repeats"], True)
            for repeat in range(word["repeats"])
        ]
    bits = [bit for bit in range(columns) if spikes >> bit & 1]
    return [
        (everyone, everyone * (neg >> bit & 1), (word["weight"] + bit) % rows, word["end"] and bit == bits[-1], True)
        for bit in bits
    ]


@pytest.mark.parametrize("columns", [4, 8, 16])
def test_events_of_random_words(columns: int) -> None:
    rng = random.Random(columns)
    arch = architecture.build(PAIR.model_dump() | {"columns": columns})
    dut = Walker(arch)
    words = [random_word(rng, columns, arch.weight_rows) for _ in range(WORDS)]
    expected = [event for word in words for event in expected_events(word, columns, arch.weight_rows)]
    found = []

    async def feed(ctx):
        ctx.set(dut.i.valid, 1)
        for word in words:
            ctx.set(dut.i.payload, word)
            await ctx.tick().until(dut.i.ready)
        ctx.set(dut.i.valid, 0)

    async def watch(ctx):
        cycles = 0
        while len(found) < len(expected):
            await ctx.tick()
            cycles += 1
            event = ctx.get(dut.event)
            if event.valid or event.end:
                weight = event.weight if event.valid else None
                found.append((event.valid, event.sign, weight, bool(event.end), bool(ctx.get(dut.fired))))
        assert cycles == len(expected) + 1  # an event in every cycle once the first has come

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(feed)
    simulator.add_testbench(watch)
    simulator.run()
    assert found == expected


def test_blocked_end_waits() -> None:
    arch = PAIR
    dut = Walker(arch)
    word = {"spikes": 0b101, "neg": 0, "weight": 0, "lanewise": 0, "repeats": 1, "end": 1}
    valid = []

    async def bench(ctx):
        ctx.set(dut.blocked, 1)
        ctx.set(dut.i.payload, word)
        ctx.set(dut.i.valid, 1)
        await ctx.tick()
        ctx.set(dut.i.valid, 0)
        for cycle in range(8):
            ctx.set(dut.blocked, cycle < 5)
            await ctx.tick()
            valid.append((bool(ctx.get(dut.event).valid), ctx.get(dut.event).end))

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    assert valid == [(True, 0), *[(False, 0)] * 4, (True, 1), (False, 0), (False, 0)]
