"""Max pooling against the scalar model: windows of one to four items, ties, short trains, several lanes, stalls."""

import random

import pytest
from amaranth.sim import Simulator
from streams import drain, feed
from tsa_models import largest, planes, value

from trispike_hw import architecture
from trispike_hw.architecture import Architecture
from trispike_hw.lone_pool import LonePool
from trispike_hw.max_pool import MaxPool

SMALL = architecture.preset("small")
NARROW = architecture.build(SMALL.model_dump() | {"lanes": 2, "columns": 8, "tsa_width": 8, "max_time_steps": 8})
ALONE = architecture.build(NARROW.model_dump() | {"lanes": 1})


def random_train(rng: random.Random, length: int, best: list[int] | None) -> list[int]:
    """A train; near `best` often enough for ties and late decisions: another writing of its value, or one apart."""
    if best is None or rng.random() < 0.5:
        return [rng.choice((-1, 0, 1)) for _ in range(length)]
    train = list(best)
    for t in range(length - 1):
        if train[t] == 1 and train[t + 1] == -1 and rng.random() < 0.7:
            train[t : t + 2] = [0, 1]
        elif train[t] == 0 and train[t + 1] == 1 and rng.random() < 0.7:
            train[t : t + 2] = [1, -1]
    if rng.random() < 0.5:
        train[-1] = rng.choice((-1, 0, 1))
    return train


def windows(rng: random.Random, arch: Architecture, count: int, length: int, lane: int) -> tuple[list, dict]:
    """Input words of `count` windows of one lane, and the words expected at each address."""
    words, expected = [], {}
    for window in range(count):
        items = []
        for _ in range(rng.choice((1, 2, 3, 4))):
            items.append([random_train(rng, length, items[-1][c] if items else None) for c in range(arch.columns)])
        address = (lane * count + window) * 5
        for number, item in enumerate(items):
            for digit in range(length):
                pos, neg = planes([train[digit] for train in item])
                words.append(
                    {
                        "lane": lane,
                        "digit": digit,
                        "address": address,
                        "first": number == 0,
                        "last": number == len(items) - 1,
                        "end": digit == length - 1,
                        "pos": pos,
                        "neg": neg,
                    }
                )
        best = [largest([item[c] for item in items]) for c in range(arch.columns)]
        for digit in range(length):
            place = (address + digit * PLANE) % (1 << arch.spike_address_bits)
            expected[place] = planes([train[digit] for train in best])
    return words, expected


PLANE = 521


def interleaved(rng: random.Random, sequences: list[list]) -> list:
    """One sequence of all, each keeping its order, in runs of random length."""
    queues = [list(reversed(sequence)) for sequence in sequences]
    merged = []
    while any(queues):
        queue = rng.choice([queue for queue in queues if queue])
        for _ in range(min(len(queue), rng.choice((1, 1, 2, 12)))):
            merged.append(queue.pop())
    return merged


def pooled(arch: Architecture, words: list, count: int, rng: random.Random, stalls: tuple[float, float]) -> dict:
    """What the block writes, by address; every address once."""
    dut = LonePool(arch) if arch.lone_lane else MaxPool(arch)
    short = max(word["digit"] for word in words) < 2
    written = {}

    def take(word):
        assert word.address not in written, f"address {word.address} is written twice"
        written[word.address] = (word.pos, word.neg)

    async def source(ctx):
        ctx.set(dut.plane, PLANE)
        ctx.set(dut.short, short)
        await feed(ctx, dut.i, words, rng, stalls[0])

    async def sink(ctx):
        await drain(ctx, dut.o, take, rng, stalls[1], lambda: len(written) == count)
        assert ctx.get(dut.idle)

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(source)
    simulator.add_testbench(sink)
    simulator.run()
    return written


@pytest.mark.parametrize("arch", [NARROW, ALONE], ids=["narrow", "alone"])
@pytest.mark.parametrize("length", [1, 2, 3, 8])
@pytest.mark.parametrize("stalls", [(0.0, 0.0), (0.4, 0.0), (0.0, 0.5), (0.3, 0.3)])
def test_largest_train_of_each_window(arch: Architecture, length: int, stalls: tuple[float, float]) -> None:
    rng = random.Random(f"pool {length} {stalls}")
    lanes = [windows(rng, arch, 24 // length + 4, length, lane) for lane in range(arch.cluster_lanes)]
    expected = {address: word for _, part in lanes for address, word in part.items()}
    assert len(expected) == sum(len(part) for _, part in lanes)
    words = interleaved(rng, [part for part, _ in lanes])
    assert pooled(arch, words, len(expected), rng, stalls) == expected


def test_full_length_trains_of_all_lanes() -> None:
    rng = random.Random("pool 16")
    lanes = [windows(rng, SMALL, 2, 16, lane) for lane in range(SMALL.cluster_lanes)]
    expected = {address: word for _, part in lanes for address, word in part.items()}
    words = interleaved(rng, [part for part, _ in lanes])
    assert pooled(SMALL, words, len(expected), rng, (0.1, 0.2)) == expected


def test_random_trains_reach_ties_and_late_decisions() -> None:
    """The generator above is worth something: equal values written differently, and differences of one."""
    rng = random.Random("trains")
    pairs = [(train, random_train(rng, 8, train)) for train in (random_train(rng, 8, None) for _ in range(300))]
    assert sum(a != b and value(a) == value(b) for a, b in pairs) > 20
    assert sum(abs(value(a) - value(b)) == 1 for a, b in pairs) > 20


@pytest.mark.parametrize(("items", "cycles_per_word"), [(1, 1), (2, 1.5), (4, 1.25)])
def test_cycles(items: int, cycles_per_word: float) -> None:
    """A word a cycle; a merged train costs one cycle a digit more."""
    length, count = 8, 12
    words = [
        {"lane": window % 2, "digit": digit, "address": 64 * window, "first": item == 0, "last": item == items - 1,
         "end": digit == length - 1, "pos": 1, "neg": 0}
        for window in range(count) for item in range(items) for digit in range(length)
    ]  # fmt: skip
    dut = MaxPool(NARROW)
    took = []

    async def source(ctx):
        ctx.set(dut.plane, 1)
        ctx.set(dut.o.ready, 1)
        cycles = 0
        for word in words:
            ctx.set(dut.i.payload, word)
            ctx.set(dut.i.valid, 1)
            _, _, ready = await ctx.tick().sample(dut.i.ready)
            cycles += 1
            while not ready:
                _, _, ready = await ctx.tick().sample(dut.i.ready)
                cycles += 1
        took.append(cycles)

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(source)
    simulator.run()
    assert took[0] <= len(words) * cycles_per_word
