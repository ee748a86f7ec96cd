"""Between the memory outside the chip and its users: rows of words, and turns of the host link and the weight port."""

import random

import pytest
from amaranth.hdl import Module, ResetInserter, Signal
from amaranth.lib import wiring
from amaranth.sim import Simulator
from shapes import PAIR

from trispike_hw import architecture
from trispike_hw.layout import WeightRequest
from trispike_hw.memory.port import HEADER_WORDS, row_shift, row_words
from trispike_hw.memory.rows import RowReader
from trispike_hw.memory.share import MemoryShare


def arch_of(columns: int, weight_bits: int) -> architecture.Architecture:
    fields = {"columns": columns, "weight_bits": weight_bits, "tsa_width": 2}
    return architecture.build(PAIR.model_dump() | fields)


class Shared(wiring.Component):
    """The reader of rows and the share as `LinkedAccelerator` has them; `restart` is the reset of the machine."""

    def __init__(self, arch: architecture.Architecture) -> None:
        self.reader, self.share = RowReader(arch), MemoryShare(writable=True)
        self.restart = Signal()
        super().__init__({})

    def elaborate(self, platform):
        m = Module()
        m.submodules.reader = ResetInserter(self.restart)(self.reader)
        m.submodules.share = self.share
        wiring.connect(m, self.reader.memory, self.share.reader)
        m.d.comb += self.share.drop.eq(self.restart)
        return m


def word_at(address: int) -> int:
    return address * 0x9E3779B1 % (1 << 32)


def play(arch, act, seed: int = 0, stall: float = 0.3) -> list[tuple[int, int]]:
    """Run `act(dut, ctx)` beside a memory whose word at an address is `word_at` it; what was stored, in order."""
    dut, rng, stored = Shared(arch), random.Random(seed), []

    async def memory(ctx):
        port, burst = dut.share.memory, []
        ctx.set(port.store.ready, 1)
        while True:
            ctx.set(port.request.ready, not burst and rng.random() >= stall)
            offered = bool(burst) and (ctx.get(port.words.valid) or rng.random() >= stall)
            ctx.set(port.words.valid, offered)
            ctx.set(port.words.payload, word_at(burst[0]) if burst else 0)
            *_, asked, first, count, taken, store, address, data = await ctx.tick().sample(
                port.request.valid & port.request.ready, port.request.payload.address, port.request.payload.count,
                port.words.valid & port.words.ready, port.store.valid, port.store.payload.address,
                port.store.payload.data,
            )  # fmt: skip
            if taken:
                burst.pop(0)
                ctx.set(port.words.valid, 0)
            if asked:
                burst = list(range(first, first + count))
            if store:
                stored.append((address, data))

    async def user(ctx):
        await act(dut, ctx)

    simulator = Simulator(dut)
    simulator.add_clock(1e-8)
    simulator.add_testbench(memory, background=True)
    simulator.add_testbench(user)
    simulator.run()
    return stored


async def ask(ctx, stream, payload) -> None:
    ctx.set(stream.payload, payload)
    ctx.set(stream.valid, 1)
    await ctx.tick().until(stream.ready)
    ctx.set(stream.valid, 0)


async def take(ctx, stream, count: int) -> list:
    ctx.set(stream.ready, 1)
    taken = []
    while len(taken) < count:
        *_, valid, payload = await ctx.tick().sample(stream.valid, stream.payload)
        taken += [payload] * valid
    ctx.set(stream.ready, 0)
    return taken


def row_of(arch, row: int) -> list[int]:
    """Weights of a row, as the words of the memory have them."""
    first = HEADER_WORDS + (row << row_shift(arch))
    bits = sum(word_at(first + number) << 32 * number for number in range(row_words(arch)))
    half = 1 << arch.weight_bits - 1
    weights = [bits >> arch.weight_bits * column & 2 * half - 1 for column in range(arch.columns)]
    return [weight - 2 * half * (weight >= half) for weight in weights]


@pytest.mark.parametrize(("columns", "bits", "words"), [(4, 2, 1), (4, 8, 1), (8, 5, 2), (16, 5, 3), (16, 8, 4)])
def test_rows_of_every_size_are_put_together(columns, bits, words):
    arch, rows = arch_of(columns, bits), []
    assert row_words(arch) == words

    async def act(dut, ctx):
        for source, count in ((9, 3), ((1 << 24) - 2, 2)):
            await ask(ctx, dut.reader.request, WeightRequest.const({"source": source, "count": count}))
            taken = await take(ctx, dut.reader.rows, count)
            rows.extend([row[column] for column in range(columns)] for row in taken)

    play(arch, act)
    assert rows == [row_of(arch, row) for row in (9, 10, 11, (1 << 24) - 2, (1 << 24) - 1)]


def test_turns_are_kept_and_a_reset_forgets_the_rest_of_a_burst():
    arch = arch_of(4, 8)

    async def act(dut, ctx):
        link = dut.share.link
        await ask(ctx, dut.reader.request, WeightRequest.const({"source": 5, "count": 20}))
        assert [row[0] for row in await take(ctx, dut.reader.rows, 2)] == [row_of(arch, row)[0] for row in (5, 6)]
        await ask(ctx, link.store, {"address": 3, "data": 99})  # goes on beside a burst
        ctx.set(dut.restart, 1)
        await ctx.tick()
        ctx.set(dut.restart, 0)
        await ask(ctx, link.request, {"address": 70, "count": 2})
        assert await take(ctx, link.words, 2) == [word_at(70), word_at(71)]
        await ask(ctx, dut.reader.request, WeightRequest.const({"source": 8, "count": 1}))
        assert [row[0] for row in await take(ctx, dut.reader.rows, 1)] == [row_of(arch, 8)[0]]

    assert play(arch, act) == [(0, 0), (3, 99)]  # the header is cleared first
