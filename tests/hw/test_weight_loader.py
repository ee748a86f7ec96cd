"""The weight loader: bursts, pairs, and the order that READY and WAIT keep."""

import random

import pytest
from amaranth.sim import Simulator

from trispike_hw import architecture
from trispike_hw.architecture import Architecture
from trispike_hw.layout import Load, LoadKind, WeightRequest, pack, weight_row
from trispike_hw.weight_loader import WeightLoader

ARCH = architecture.build(
    architecture.preset("small").model_dump() | {"weight_rows": 64, "program_words": 64, "columns": 4, "tsa_width": 4}
)
ALONE = architecture.build(ARCH.model_dump() | {"lanes": 1})
BASE = 20


def run_list(
    loads: list[dict], ended_at: dict[int, int], seed: int, arch: Architecture = ARCH
) -> tuple[list, dict[int, int]]:
    """Play a list; layer n ends in cycle `ended_at[n]`. Returns writes (cycle, pairs, address, row) and the cycle in
    which each layer became ready."""
    rng = random.Random(seed)
    dut = WeightLoader(arch)
    program = [0] * BASE + [pack(Load, load) for load in loads] + [0] * 8
    writes, ready_at, pending, clock, paused = [], {}, [], [0], [0]
    stall = rng.choice((0, 0.5, 0.9))

    async def bench(ctx):
        ctx.set(dut.list, BASE)
        ctx.set(dut.start, 1)
        await ctx.tick()
        ctx.set(dut.start, 0)
        waits = False  # a row was offered and not taken
        for cycle in range(3000):
            clock[0] = cycle
            ended = sum(1 for end in ended_at.values() if end <= cycle)
            ctx.set(dut.ended_layers, ended)
            for layer in range(4):
                ctx.set(dut.layer, layer)
                if ctx.get(dut.ready):
                    ready_at.setdefault(layer, cycle)
            ctx.set(dut.program_data, program[ctx.get(dut.program_address)] if cycle == 0 else address_data[0])
            take = rng.random() >= stall
            ctx.set(dut.request.ready, take)
            give = bool(pending) and (waits or rng.random() >= stall)
            ctx.set(dut.rows.valid, give)
            if give:
                ctx.set(dut.rows.payload, weight_row(ARCH).const(row_of(pending[0])))
            if ctx.get(dut.write.enable):
                row = ctx.get(dut.write.data)
                writes.append((cycle, ctx.get(dut.write_pairs), ctx.get(dut.write.address), [row[c] for c in range(4)]))
                assert paused[0] == ctx.get(dut.write_pairs), "a write that was not announced, or in another cycle"
            else:
                assert not paused[0], "a pause without a write"
            paused[0] = ctx.get(dut.pause)
            if take and ctx.get(dut.request.valid):
                request = ctx.get(dut.request.payload)
                assert isinstance(request.shape(), type(WeightRequest.as_shape()))
                pending.extend(range(request.source, request.source + request.count))
            waits = give and not ctx.get(dut.rows.ready)
            if give and not waits:
                pending.pop(0)
            address_data[0] = program[ctx.get(dut.program_address)]
            await ctx.tick()

    address_data = [program[BASE]]
    simulator = Simulator(dut)
    simulator.add_clock(1e-8)
    simulator.add_testbench(bench)
    simulator.run()
    assert not pending
    return writes, ready_at


def row_of(source: int) -> list[int]:
    return [(source * 7 + 3 * column) % 256 - 128 for column in range(4)]


@pytest.mark.parametrize("seed", range(3))
def test_rows_reach_their_pairs_in_order(seed: int):
    loads = [
        {"source": 100, "count": 5, "target": 3, "every": 1, "kind": LoadKind.LOAD},
        {"count": 0, "kind": LoadKind.READY},
        {"source": 7, "count": 1, "target": 60, "pair": 1, "kind": LoadKind.LOAD},
        {"source": 9, "count": 4, "target": 60, "pair": 0, "kind": LoadKind.LOAD},
        {"count": 1, "kind": LoadKind.READY},
        {"kind": LoadKind.END},
    ]
    writes, ready_at = run_list(loads, {}, seed)
    expected = [(0b11, 3 + k, row_of(100 + k)) for k in range(5)]
    expected += [(0b10, 60, row_of(7))]
    expected += [(0b01, 60 + k, row_of(9 + k)) for k in range(4)]
    assert [write[1:] for write in writes] == expected
    assert writes[4][0] <= ready_at[0] + 1
    assert ready_at[0] < ready_at[1]
    assert writes[-1][0] <= ready_at[1] + 1
    assert 2 not in ready_at


def test_a_lane_alone_gets_its_rows_from_where_they_wait():
    loads = [
        {"source": 40, "count": 6, "target": 2, "every": 1, "kind": LoadKind.LOAD},
        {"count": 0, "kind": LoadKind.READY},
        {"kind": LoadKind.END},
    ]
    writes, ready_at = run_list(loads, {}, 2, ALONE)
    assert [write[1:] for write in writes] == [(1, 2 + k, row_of(40 + k)) for k in range(6)]
    assert writes[-1][0] <= ready_at[0] + 1


def test_wait_keeps_what_a_layer_uses():
    loads = [
        {"source": 0, "count": 2, "target": 0, "every": 1, "kind": LoadKind.LOAD},
        {"count": 0, "kind": LoadKind.READY},
        {"count": 0, "kind": LoadKind.WAIT},
        {"source": 2, "count": 2, "target": 0, "every": 1, "kind": LoadKind.LOAD},
        {"count": 3, "kind": LoadKind.READY},
        {"kind": LoadKind.END},
    ]
    writes, ready_at = run_list(loads, {0: 400}, 5)
    assert [write[0] > 400 for write in writes] == [False, False, True, True]
    assert ready_at[0] < 400 < ready_at[1] == ready_at[3]


def test_without_a_list_every_layer_is_ready():
    dut = WeightLoader(ARCH)

    async def bench(ctx):
        ctx.set(dut.start, 1)
        await ctx.tick()
        ctx.set(dut.start, 0)
        for layer in (0, 1, ARCH.max_layers - 1):
            ctx.set(dut.layer, layer)
            await ctx.tick().repeat(5)
            assert ctx.get(dut.ready)
            assert not ctx.get(dut.request.valid)

    simulator = Simulator(dut)
    simulator.add_clock(1e-8)
    simulator.add_testbench(bench)
    simulator.run()
