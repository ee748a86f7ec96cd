"""The word writer: every word of every row is written, sent out, or both, once and in order."""

import random

import pytest
from amaranth.sim import Simulator
from streams import drain, feed

from trispike_hw.architecture import build, preset
from trispike_hw.layout import Sink
from trispike_hw.word_writer import WordWriter

ARCH = build(preset("small").model_dump() | {"lanes": 8, "clusters": 4})
WORDS = 40


def words_of(cluster, rng):
    """Words with addresses that name their cluster, in order."""
    return [
        {"address": cluster * 1000 + number, "pos": rng.randrange(1 << 16), "neg": rng.randrange(1 << 16)}
        for number in range(WORDS)
    ]


def bits(word):
    return word["pos"] | word["neg"] << 16


def transfer(sink, seed, stall):
    """What was written, what went out and what `moved` showed, as (address, word), and cycles."""
    rng = random.Random(seed)
    dut, given = WordWriter(ARCH), [words_of(cluster, rng) for cluster in range(ARCH.clusters)]
    written, out, moved, cycles = [], [], [], 0
    sim = Simulator(dut)
    sim.add_clock(1e-8)

    async def watch(ctx):
        nonlocal cycles
        ctx.set(dut.sink, sink)
        total = WORDS * ARCH.clusters
        done = 0
        while done < 5:  # cycles of rest after the last word
            _, _, write, move, address, pos, neg, idle = await ctx.tick().sample(
                dut.write.enable, dut.moved, dut.write.address, dut.write.data.pos, dut.write.data.neg, dut.idle
            )
            word = address, pos | neg << 16
            written.extend([word] * write)
            moved.extend([word] * move)
            done = done + 1 if idle and len(moved) == total else 0
            cycles += not done

    def rows(cluster):
        async def bench(ctx):
            await feed(ctx, dut.i[cluster], given[cluster], random.Random(seed + cluster), stall)

        return bench

    async def take(ctx):
        expected = 0 if sink is Sink.STORE else 2 * WORDS * ARCH.clusters
        await drain(ctx, dut.o, out.append, random.Random(seed + 99), stall, lambda: len(out) == expected)

    sim.add_testbench(watch)
    sim.add_testbench(take)
    for cluster in range(ARCH.clusters):
        sim.add_testbench(rows(cluster))
    sim.run()
    return given, written, list(zip(out[::2], out[1::2], strict=True)), moved, cycles


@pytest.mark.parametrize("stall", [0.0, 0.5])
@pytest.mark.parametrize("sink", Sink)
def test_every_word_goes_where_it_belongs(sink, stall):
    given, written, out, moved, _ = transfer(sink, 1, stall)
    for cluster, words in enumerate(given):
        mine = [word for word in moved if word[0] // 1000 == cluster]
        assert mine == [(word["address"], bits(word)) for word in words]
    assert written == ([] if sink is Sink.EXPORT else moved)
    assert out == ([] if sink is Sink.STORE else moved)


def test_a_word_a_cycle_or_one_in_three_cycles_where_they_leave():
    total = WORDS * ARCH.clusters
    assert transfer(Sink.STORE, 2, 0.0)[-1] in range(total, total + 5)
    assert transfer(Sink.BOTH, 2, 0.0)[-1] in range(3 * total, 3 * total + 5)
