"""The SDRAM controller on a model of the part that refuses whatever the data sheet forbids."""

import random
from collections import deque
from dataclasses import replace

import pytest
from amaranth.sim import Simulator
from sdram_model import Sdram

from trispike_hw.layout import STREAM_BITS
from trispike_hw.memory.cycles import at_least, at_most
from trispike_hw.memory.sdram import SdramCommand, SdramController
from trispike_hw.memory.sdram_part import SDR_256_MBIT

PART = replace(SDR_256_MBIT, power_up=2e3)  # 200 us are thousands of cycles
PADS = 3  # cycles on the way to the part, and one half on the way back


class Bench:
    """A controller with its part behind pads; `act(bench, ctx)` is what its user does."""

    def __init__(self, clock: float, late: int = 0) -> None:
        self.dut = SdramController(PART, clock, PADS + PART.cas + 1 + late)
        self.sdram = Sdram(PART, clock)

    def run(self, act) -> None:
        async def part(ctx):
            pins = self.dut.pins
            on_the_way = deque([(SdramCommand.NOP, 0, 0, 0, 0)] * PADS)
            shown = deque([None, None])  # until the next falling edge, and from it to the rising one
            while True:
                on_the_way.append(
                    tuple(ctx.get(pin) for pin in (pins.command, pins.bank, pins.address, pins.dq_o, pins.dq_oe))
                )
                word = shown.popleft()
                ctx.set(pins.dq_i, 0xDEAD if word is None else word)
                shown.append(self.sdram.clock(*on_the_way.popleft()))
                await ctx.tick()

        async def user(ctx):
            await act(self, ctx)

        simulator = Simulator(self.dut)
        simulator.add_clock(1e-8)
        simulator.add_testbench(part, background=True)
        simulator.add_testbench(user)
        simulator.run()

    async def store(self, ctx, address: int, word: int) -> None:
        port = self.dut.memory.store
        ctx.set(port.payload, {"address": address, "data": word})
        ctx.set(port.valid, 1)
        await ctx.tick().until(port.ready)
        ctx.set(port.valid, 0)

    async def fetch(self, ctx, address: int, count: int, rng: random.Random, stall: float) -> tuple[list[int], int]:
        """The words of a burst, and the cycles from the first to the last."""
        port = self.dut.memory
        ctx.set(port.request.payload, {"address": address, "count": count})
        ctx.set(port.request.valid, 1)
        await ctx.tick().until(port.request.ready)
        ctx.set(port.request.valid, 0)
        words: list[int] = []
        cycles = 0
        while len(words) < count:
            ready = rng.random() >= stall
            ctx.set(port.words.ready, ready)
            *_, valid, word = await ctx.tick().sample(port.words.valid, port.words.payload)
            cycles += bool(words)
            if valid and ready:
                words.append(word)
        ctx.set(port.words.ready, 0)
        return words, cycles


@pytest.mark.parametrize(("clock", "seed"), [(12e6, 0), (40e6, 1), (80e6, 2), (133e6, 3)])
def test_words_come_back_whatever_the_order_and_the_stalls(clock, seed):
    """Stores and bursts at random, near the ends of rows and banks, over several refreshes."""
    rng = random.Random(seed)
    written: dict[int, int] = {}
    bases = [0, 256 - 6, 1024 - 5, PART.words - 24, 3 << 20]

    async def act(bench, ctx):
        for _ in range(14):
            base = rng.choice(bases)
            for address in rng.sample(range(base, base + 24), rng.randrange(1, 8)):
                written[address] = rng.getrandbits(STREAM_BITS)
                await bench.store(ctx, address, written[address])
                if rng.random() < 0.2:
                    await ctx.tick().repeat(rng.randrange(1, 60))
            known = sorted(address for address in written if base <= address < base + 24)
            for first in rng.sample(known, min(2, len(known))):
                count = next(n for n in range(1, 26) if first + n not in written)
                words, _ = await bench.fetch(ctx, first, count, rng, rng.choice((0, 0.5, 0.9)))
                assert words == [written[first + number] for number in range(count)]

    bench = Bench(clock)
    bench.run(act)
    assert len(bench.sdram.refreshes) > PART.refreshes


def test_a_weight_row_comes_in_little_more_than_eight_cycles():
    """320 words, 80 rows of four, over the end of a row of the part and some refreshes, at 40 MHz."""
    count = 320
    found = []

    async def act(bench, ctx):
        for number in range(count):
            bench.sdram.content |= {place(number, half): (7 * number + half) & 0xFFFF for half in (0, 1)}
        found.append(await bench.fetch(ctx, 0, count, random.Random(0), 0))

    Bench(40e6).run(act)
    words, cycles = found[0]
    assert words == [(7 * number & 0xFFFF) | (7 * number + 1 & 0xFFFF) << 16 for number in range(count)]
    assert cycles / (count / 4) < 8.5


def place(word: int, half: int) -> tuple[int, int, int]:
    """Bank, row and column of a half word."""
    return word >> 8 & 3, word >> 10, (word & 255) * 2 + half


def test_clocks_that_the_part_cannot_have_are_refused():
    with pytest.raises(ValueError, match=r"^the SDRAM runs at 133 MHz at most, not at 140 MHz$"):
        PART.check(140e6)
    with pytest.raises(ValueError, match=r"^a clock of 1 MHz is too slow to refresh the SDRAM; choose a faster one$"):
        PART.check(1e6)


def test_times_become_cycles():
    assert (at_least(21, 100e6), at_least(20, 100e6), at_least(1, 100e6)) == (3, 2, 1)
    assert (at_most(7812.5, 40e6), PART.words) == (312, 1 << 23)


UP = [
    (300, SdramCommand.PRECHARGE, 0, 1 << 10),
    *[(10, SdramCommand.REFRESH, 0, 0)] * 8,
    (10, SdramCommand.LOAD_MODE, 0, 0x31),
]
OPEN = [*UP, (5, SdramCommand.ACTIVE, 1, 77)]


@pytest.mark.parametrize(("rule", "commands"), [
    (None, [*OPEN, (3, SdramCommand.READ, 1, 8), (10, SdramCommand.PRECHARGE, 1, 0), (3, SdramCommand.REFRESH, 0, 0)]),
    ("an access breaks tRCD", [*OPEN, (2, SdramCommand.READ, 1, 8)]),
    ("an access to a closed bank", [*OPEN, (3, SdramCommand.READ, 2, 8)]),
    ("PRECHARGE breaks tRAS", [*OPEN, (5, SdramCommand.PRECHARGE, 1, 0)]),
    ("PRECHARGE breaks tWR", [*OPEN, (6, SdramCommand.WRITE, 1, 8), (2, SdramCommand.PRECHARGE, 1, 0)]),
    ("ACTIVE breaks tRP", [*OPEN, (7, SdramCommand.PRECHARGE, 1, 0), (2, SdramCommand.ACTIVE, 1, 78)]),
    ("REFRESH while a bank is open", [*OPEN, (20, SdramCommand.REFRESH, 1, 0)]),
    ("ACTIVE comes too early after REFRESH", [*UP, (5, SdramCommand.REFRESH, 0, 0), (8, SdramCommand.ACTIVE, 1, 0)]),
    ("ACTIVE comes too early after LOAD MODE", [*UP, (1, SdramCommand.ACTIVE, 1, 0)]),
    ("LOAD MODE before enough REFRESH", [*UP[:8], UP[-1]]),
    ("before the end of power-up", [(9, SdramCommand.PRECHARGE, 0, 1 << 10)]),
    ("rows forget", [*UP, (20_000, SdramCommand.NOP, 0, 0)]),
])  # fmt: skip
def test_the_model_refuses_what_the_data_sheet_forbids(rule, commands):
    """Commands, each so many cycles behind the last, to a part at 133 MHz."""
    sdram = Sdram(PART, 133e6)
    writing = 0

    def play() -> None:
        nonlocal writing
        for wait, command, bank, address in commands:
            for _ in range(wait - 1):
                sdram.clock(SdramCommand.NOP, 1, 0, 0, writing > 0)
                writing -= 1
            writing = 2 if command is SdramCommand.WRITE else writing
            sdram.clock(command, bank, address, 0, writing > 0)
            writing -= 1

    if rule is None:
        play()
    else:
        with pytest.raises(AssertionError, match=rule):
            play()


def test_the_model_refuses_a_controller_for_other_pads():
    """Data are sampled where they are not: what comes back is wrong."""

    async def act(bench, ctx):
        await bench.store(ctx, 5, 0x12345678)
        words, _ = await bench.fetch(ctx, 5, 1, random.Random(0), 0)
        assert words == [0x12345678]

    Bench(40e6).run(act)
    with pytest.raises(AssertionError):
        Bench(40e6, late=1).run(act)
