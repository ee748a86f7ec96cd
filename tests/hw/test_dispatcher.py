"""The dispatcher's items against a direct reading of docs/machine.md: nested loops, clipping, lanes."""

import itertools
import random

import pytest
from amaranth.sim import Simulator
from streams import drain

from trispike_hw import architecture
from trispike_hw.architecture import Architecture
from trispike_hw.dispatcher import Dispatcher, LayerHeader
from trispike_hw.layout import (
    LOOP_LEVELS,
    SEGMENT_WORDS,
    Mode,
    Position,
    SegmentRow,
    SegmentSource,
    SegmentWindow,
    pack,
)

ARCH = architecture.build(architecture.preset("small").model_dump() | {"program_words": 128})
NARROW = architecture.build(ARCH.model_dump() | {"columns": 8, "lanes": 2, "tsa_width": 8})
CLUSTERS = architecture.build(NARROW.model_dump() | {"lanes": 8, "clusters": 4})
MANY = architecture.build(NARROW.model_dump() | {"lanes": 32, "clusters": 4, "constant_tiles": 256})
ALONE = architecture.build(NARROW.model_dump() | {"lanes": 1})
COUNTS = ("window_x", "window_y", "out_x", "out_y", "passes")


def random_layer(rng: random.Random, arch: Architecture) -> tuple[dict, list[dict]]:
    tile_mode = rng.random() < 0.4
    header = {
        "window_x": 1 if tile_mode else rng.randint(1, 2),
        "window_y": 1 if tile_mode else rng.randint(1, 3),
        "out_x": rng.randint(1, 3),
        "out_y": rng.randint(1, 3),
        "passes": rng.randint(1, 3),
        "tile_mode": int(tile_mode),
        "last_lanes": rng.randint(1, arch.lanes),
        "mode": rng.choice(list(Mode)),
        "constants": rng.randrange(16),
        "address": rng.randrange(1 << arch.spike_address_bits),
        **{step: rng.randrange(64) for step in ("step_x", "step_y", "step_tile")},
    }
    segments = []
    for _ in range(rng.randint(1, 3)):
        rows, dilation, pitch = rng.randint(1, 4), rng.randint(1, 3), rng.randrange(64)
        lanewise = rng.random() < 0.3
        unit = arch.columns if lanewise else 1
        segments.append(
            {
                "plane": rng.randrange(256),
                "pitch": pitch,
                "rows": rows,
                "dilation": dilation,
                "lanewise": int(lanewise),
                "height": rng.randint(1, 8),
                "bit_length": rng.randint(1, 70) if not lanewise else unit * rng.randint(1, 3),
                "weight_pitch": rng.randrange(256),
                "odd_offset": rng.randrange(512),
                "row_bits": unit * rng.randint(1, 90),
                "span": (rows - 1) * dilation,
                "repeats": rng.randint(1, 15),
                "rewind": (rows - 1) * pitch,
                "positions": [
                    {
                        "row": rng.randrange(1 << 18),
                        "y": rng.randint(-3, 4),
                        "bit": unit * rng.randint(-40 // unit, 40 // unit),
                        "weight": rng.randrange(1 << 16),
                    }
                    for _ in range(1 + LOOP_LEVELS)
                ],
            }
        )
    return header, segments


def expected_items(header: dict, segments: list[dict], arch: Architecture) -> list[dict]:
    """All items in order: context and slots for an even lane with number 0, before the lane's own changes."""
    items = []
    positions = [dict(segment["positions"][0]) for segment in segments]
    address, constants, last_turns = header["address"], header["constants"], None
    for turns in itertools.product(*(range(header[name]) for name in reversed(COUNTS))):
        turns = turns[::-1]  # innermost first
        if last_turns is not None:
            level = max(k for k in range(LOOP_LEVELS) if turns[k] != last_turns[k])
            for position, segment in zip(positions, segments, strict=True):
                for field, value in segment["positions"][1 + level].items():
                    position[field] += value
            if level == 2:
                address += header["step_x"]
            elif level == 3:
                address += header["step_y"]
            elif level == 4:
                address += header["step_tile"]
                constants += arch.lanes if header["tile_mode"] else 1
        last_turns = turns
        items.append(
            {
                "address": address,
                "constants": constants,
                "use_bias": int(header["mode"] != Mode.LOGITS or (turns[2] == 0 and turns[3] == 0)),
                "first": int(turns[0] == 0 and turns[1] == 0),
                "last": int(turns[0] + 1 == header["window_x"] and turns[1] + 1 == header["window_y"]),
                "last_pass": turns[4] + 1 == header["passes"],
                "slots": [clip(p, s, arch) for p, s in zip(positions, segments, strict=True)],
            }
        )
    return items


def clip(position: dict, segment: dict, arch: Architecture) -> dict:
    c = arch.columns
    y = (position["y"] + 512) % 1024 - 512
    bit = (position["bit"] + (1 << 17)) % (1 << 18) - (1 << 17)
    rows = [k for k in range(segment["rows"]) if 0 <= y + k * segment["dilation"] < segment["height"]]
    begin, end = max(bit, 0), min(bit + segment["bit_length"], segment["row_bits"])
    if not rows or begin >= end:
        return {"more_rows": -1, "more_words": -1, "first_bit": c - 1, "last_bit": 0}
    first, last = begin // c, (end - 1) // c
    offset = first - bit // c if segment["lanewise"] else first * c - bit
    addresses, weights = 1 << arch.spike_address_bits, 1 << arch.weight_address_bits
    last_row = (len(rows) - 1) * segment["pitch"]
    return {
        "address": (position["row"] + rows[0] * segment["pitch"] + first) % addresses,
        "next_row": (segment["pitch"] - (last - first)) % addresses,
        "next_step": (segment["plane"] - last_row - (last - first)) % addresses,
        "more_rows": len(rows) - 2,
        "more_words": last - first - 1,
        "first_bit": begin % c,
        "last_bit": (end - 1) % c,
        "weight": (position["weight"] + rows[0] * segment["weight_pitch"] + offset) % weights,
        "next_weights": (segment["weight_pitch"] - (last - first) * (1 if segment["lanewise"] else c)) % weights,
        "lanewise": segment["lanewise"],
        "repeats": segment["repeats"],
    }


def program_of(segments: list[dict]) -> list[int]:
    words = []
    for segment in segments:
        for layout in (SegmentSource, SegmentWindow, SegmentRow):
            words.append(pack(layout, {k: segment[k] for k, _ in layout.as_shape() if k in segment}))
        words += [pack(Position, position) for position in segment["positions"]]
    assert len(words) == SEGMENT_WORDS * len(segments)
    return words


@pytest.mark.parametrize(
    "arch", [ARCH, NARROW, CLUSTERS, MANY, ALONE], ids=["small", "narrow", "clusters", "many lanes", "alone"]
)
@pytest.mark.parametrize("seed", range(12))
def test_items_reach_the_right_lanes(arch: Architecture, seed: int):
    rng = random.Random(seed)
    header, segments = random_layer(rng, arch)
    items = expected_items(header, segments, arch)
    base = rng.randrange(16)
    program = [0] * base + program_of(segments) + [0] * 16
    dut = Dispatcher(arch)
    contexts: list[tuple[int, int, dict]] = []  # cycle, lane, context
    cycle = [0]
    slots: list[list[dict]] = [[] for _ in range(arch.lanes)]
    stall = rng.choice((0, 0.5, 0.9))

    async def memory(ctx):
        async for *_, enable, address in ctx.tick().sample(dut.program_enable, dut.program_address):
            cycle[0] += 1
            if enable:
                ctx.set(dut.program_data, program[address])

    async def control(ctx):
        ctx.set(
            dut.header,
            LayerHeader.const(
                {
                    "layer": {k: header[k] for k in ("window_x", "window_y", "out_x", "out_y", "tile_mode", "mode")}
                    | {"segments": len(segments)},
                    "tiles": {k: header[k] for k in ("passes", "last_lanes", "constants")},
                    "output": {k: header[k] for k in ("address", "step_x")},
                    "steps": {k: header[k] for k in ("step_y", "step_tile")},
                }
            ),
        )
        ctx.set(dut.hungry, (1 << arch.lanes) - 1)
        ctx.set(dut.segments, base)
        ctx.set(dut.start, 1)
        await ctx.tick()
        ctx.set(dut.start, 0)
        await ctx.tick()
        for _ in range(20_000):
            if ctx.get(dut.idle):
                return
            ctx.set(dut.hungry, rng.randrange(1 << arch.lanes))
            await ctx.tick()
        raise AssertionError("the dispatcher hangs")

    def receiver(port, take):
        async def bench(ctx):
            await drain(ctx, port, take, rng, stall, lambda: False, 20_000)

        return bench

    def fields(payload) -> dict:
        return {name: payload[name] for name, _ in payload.shape()}

    def context_of(cluster):
        first = cluster * arch.cluster_lanes
        return lambda found: contexts.append((cycle[0], first + found.lane, fields(found.context)))

    def slot_of(lane):
        return lambda found: slots[lane].append(fields(found))

    simulator = Simulator(dut)
    simulator.add_clock(1e-8)
    simulator.add_testbench(memory, background=True)
    for cluster in range(arch.clusters):
        simulator.add_testbench(receiver(dut.o_context[cluster], context_of(cluster)), background=True)
    for lane in range(arch.lanes):
        simulator.add_testbench(receiver(dut.o_slot[lane], slot_of(lane)), background=True)
    simulator.add_testbench(control)
    simulator.run()

    taken = [0] * arch.lanes
    order = iter(contexts)
    lane = None
    for item in items:
        if header["tile_mode"]:
            lanes = range(header["last_lanes"] if item["last_pass"] else arch.lanes)
            cycles, numbers, found = zip(*itertools.islice(order, len(lanes)), strict=True)
            assert numbers == tuple(lanes)
            if not stall:
                assert cycles == tuple(range(cycles[0], cycles[0] + len(lanes)))
            got = dict(enumerate(found))
        else:
            previous, (_, lane, context) = lane, next(order)
            lanes, got = [lane], {lane: context}
            if not item["first"]:
                assert lane == previous, "a pooling window is spread over lanes"
        for number in lanes:
            tile = number if header["tile_mode"] else 0
            assert got[number] == {
                "address": (item["address"] + tile) % (1 << arch.spike_address_bits),
                "constants": item["constants"] + tile,
                **{k: item[k] for k in ("use_bias", "first", "last")},
            }
            for index, (segment, expected) in enumerate(zip(segments, item["slots"], strict=True)):
                found = slots[number][taken[number]]
                taken[number] += 1
                assert found["last"] == (index + 1 == len(segments))
                if "weight" in expected:
                    odd = segment["odd_offset"] if header["tile_mode"] and number % 2 else 0
                    weight = (expected["weight"] + odd) % (1 << arch.weight_address_bits)
                    expected = expected | {"weight": weight}
                assert {k: found[k] for k in expected} == expected
    assert next(order, None) is None
    assert taken == [len(of_lane) for of_lane in slots]
