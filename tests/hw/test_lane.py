"""A lane with its memories against a direct reading of docs/machine.md."""

import random

import numpy as np
import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.sim import Simulator

from trispike_hw import architecture
from trispike_hw.architecture import Architecture
from trispike_hw.lane import Lane
from trispike_hw.layout import slot
from trispike_hw.spike_memory import SpikeMemory
from trispike_hw.weight_memory import WeightMemory

SMALL_LANES = architecture.build(
    architecture.preset("small").model_dump() | {"spike_words": 256, "weight_rows": 128, "max_segments": 4}
)
NARROW = architecture.build(SMALL_LANES.model_dump() | {"columns": 8, "tsa_width": 4, "lanes": 2, "sum_vectors": 2})
ONE_VECTOR = architecture.build(SMALL_LANES.model_dump() | {"sum_vectors": 1})
ALONE = architecture.build(SMALL_LANES.model_dump() | {"columns": 8, "tsa_width": 2, "lanes": 1})


class LaneWithMemories(wiring.Component):
    """Lane `number` of a cluster, spike memory and weight memory."""

    def __init__(self, arch: Architecture, number: int):
        self.arch, self.number = arch, number
        self.lane = Lane(arch)
        self.spikes = SpikeMemory(arch)
        self.weights = WeightMemory(arch)
        super().__init__({"unused": Out(1), "also_unused": In(1)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.lane, m.submodules.spikes, m.submodules.weights = self.lane, self.spikes, self.weights
        parity = self.number % 2
        m.d.comb += [
            self.spikes.address[self.number].eq(self.lane.address),
            self.lane.turn.eq(self.spikes.turn[self.number]),
            self.lane.data.eq(self.spikes.data[self.number]),
            self.weights.address[parity].eq(self.lane.weight_address),
            self.lane.weights.eq(self.weights.row[parity]),
        ]
        return m


def random_slot(rng: random.Random, arch: Architecture, last: bool) -> dict[str, int]:
    words = rng.randint(1, 5)
    first_bit, last_bit = rng.randrange(arch.columns), rng.randrange(arch.columns)
    if words == 1 and first_bit > last_bit:
        first_bit, last_bit = last_bit, first_bit
    return {
        "address": rng.randrange(64),
        "plane": rng.randrange(8),
        "pitch": rng.randrange(16),
        "rows": rng.randint(1, 4),
        "words": words,
        "first_bit": first_bit,
        "last_bit": last_bit,
        "weight": rng.randrange(arch.weight_rows),
        "weight_pitch": rng.randrange(64),
        "lanewise": rng.random() < 0.3,
        "repeats": rng.choice((1, 1, 3)),
        "skip": rng.random() < 0.1,
        "last": last,
    }


def slot_of(part: dict[str, int], arch: Architecture) -> dict[str, int]:
    """The slot that says the same by steps from word to word."""
    if part["skip"]:
        part = part | {"rows": 1, "words": 1, "first_bit": arch.columns - 1, "last_bit": 0}
    behind = part["words"] - 1
    addresses, weights = 1 << arch.spike_address_bits, 1 << arch.weight_address_bits
    return {
        "next_row": (part["pitch"] - behind) % addresses,
        "next_step": (part["plane"] - (part["rows"] - 1) * part["pitch"] - behind) % addresses,
        "more_rows": part["rows"] - 2,
        "more_words": part["words"] - 2,
        "next_weights": (part["weight_pitch"] - behind * (1 if part["lanewise"] else arch.columns)) % weights,
        **{k: part[k] for k in ("address", "first_bit", "last_bit", "weight", "lanewise", "repeats", "last")},
    }


def expected_sums(arch, item, spikes, weights, steps) -> np.ndarray:
    """z [T, C] and the number of events with a spike of one item, word by word and bit by bit."""
    z = np.zeros((steps, arch.columns), np.int64)
    events = 0
    for t in range(steps):
        for part in item:
            if part["skip"]:
                continue
            for row in range(part["rows"]):
                for word in range(part["words"]):
                    digits = spikes[part["address"] + t * part["plane"] + row * part["pitch"] + word].copy()
                    if word == 0:
                        digits[: part["first_bit"]] = 0
                    if word == part["words"] - 1:
                        digits[part["last_bit"] + 1 :] = 0
                    weight = part["weight"] + row * part["weight_pitch"]
                    events += part["repeats"] * digits.any() if part["lanewise"] else np.count_nonzero(digits)
                    if part["lanewise"]:
                        for repeat in range(part["repeats"]):
                            z[t] += digits * weights[(weight + word + repeat) % arch.weight_rows]
                    else:
                        rows = (weight + word * arch.columns + np.arange(arch.columns)) % arch.weight_rows
                        z[t] += digits @ weights[rows]
    return z, events


@pytest.mark.parametrize(
    "arch", [SMALL_LANES, NARROW, ONE_VECTOR, ALONE], ids=["small", "narrow", "one vector", "alone"]
)
@pytest.mark.parametrize("seed", range(4))
def test_lane_sums_what_its_slots_say(arch: Architecture, seed: int):
    rng = random.Random(seed)
    generator = np.random.default_rng(seed)
    steps = rng.randint(1, 9)
    density = rng.choice((0.02, 0.2, 0.6))
    spikes = generator.choice([-1, 0, 1], (256, arch.columns), p=[density / 2, 1 - density, density / 2])
    weights = generator.integers(-128, 128, (arch.weight_rows, arch.columns))
    items = [[random_slot(rng, arch, k == n) for k in range(n + 1)] for n in (rng.randrange(4) for _ in range(8))]
    expected = [expected_sums(arch, item, spikes, weights, steps) for item in items]

    dut = LaneWithMemories(arch, rng.randrange(arch.lanes))
    stall_in, stall_out = rng.choice((0, 0.8)), rng.choice((0, 0.3, 0.97))
    received: list[list[int]] = []
    parts = arch.tsa_passes if arch.lone_lane else 1  # of a vector
    events = [0]
    loading, reload_share = [False], rng.choice((0, 0.3))

    addresses = [0, 0]  # of the last two weight rows

    def written(ctx, address):
        """The data of a row come behind its address, for a lane alone with it."""
        addresses[:] = addresses[1], address % arch.weight_rows
        ctx.set(dut.weights.write.data, [int(w) for w in weights[addresses[1 if arch.lone_lane else 0]]])

    async def feed(ctx):
        for address, digits in enumerate(spikes):
            ctx.set(dut.spikes.write.enable, 1)
            ctx.set(dut.spikes.write.address, address)
            ctx.set(dut.spikes.write.data, {"pos": _bits(digits > 0), "neg": _bits(digits < 0)})
            if address < arch.weight_rows:
                ctx.set(dut.weights.write.enable, 1)
                ctx.set(dut.weights.write.address, address)
            else:
                ctx.set(dut.weights.write.enable, 0)
            written(ctx, address)
            await ctx.tick()
        ctx.set(dut.spikes.write.enable, 0)
        ctx.set(dut.weights.write.enable, 0)
        ctx.set(dut.lane.time_steps, steps)
        loading[0] = True
        for part in (part for item in items for part in item):
            while rng.random() < stall_in:
                await ctx.tick()
            ctx.set(dut.lane.i_slot.payload, slot(arch).const(slot_of(part, arch)))
            ctx.set(dut.lane.i_slot.valid, 1)
            await ctx.tick().until(dut.lane.i_slot.ready)
            ctx.set(dut.lane.i_slot.valid, 0)

    async def collect(ctx):
        while len(received) < parts * steps * len(items):
            while rng.random() < stall_out:
                await ctx.tick()
            ctx.set(dut.lane.o_sums.ready, 1)
            (vector,) = await ctx.tick().sample(dut.lane.o_sums.payload).until(dut.lane.o_sums.valid)
            received.append([vector[c] for c in range(arch.columns // parts)])
            ctx.set(dut.lane.o_sums.ready, 0)
        for _ in range(8):
            await ctx.tick()
        assert ctx.get(dut.lane.idle)

    async def reload(ctx):
        """Write weight rows again while the lane runs, each two cycles after a pause, for a lane alone one."""
        while not loading[0]:
            await ctx.tick()
        paused = [False]
        while True:
            paused.append(rng.random() < reload_share)
            ctx.set(dut.lane.pause, paused[-1])
            await ctx.tick()
            ctx.set(dut.weights.write.enable, paused[-1 if arch.lone_lane else -2])
            address = rng.randrange(arch.weight_rows)
            ctx.set(dut.weights.write.address, address)
            written(ctx, address)

    async def count(ctx):
        cycles = promised = 0  # for how many cycles sums have been announced without any being taken
        sums = dut.lane.o_sums
        async for *_, fired, soon, valid, ready in ctx.tick().sample(
            dut.lane.fired, dut.lane.sums_soon, sums.valid, sums.ready
        ):
            cycles += 1
            assert cycles < 50_000, "the lane hangs"
            events[0] += fired
            assert soon >= valid
            promised = promised + 1 if soon else 0
            assert valid or promised <= 2
            if valid and ready:
                promised = 0

    simulator = Simulator(dut)
    simulator.add_clock(1e-8)
    simulator.add_testbench(feed)
    simulator.add_testbench(collect)
    simulator.add_testbench(count, background=True)
    simulator.add_testbench(reload, background=True)
    simulator.run()

    assert len(received) == parts * steps * len(items)
    np.testing.assert_array_equal(np.reshape(received, (-1, arch.columns)), np.concatenate([z for z, _ in expected]))
    assert events[0] == sum(of_item for _, of_item in expected)


def _bits(flags: np.ndarray) -> int:
    return sum(int(flag) << bit for bit, flag in enumerate(flags))
