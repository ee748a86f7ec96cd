"""The TSA row against the scalar model: all modes, T and s, pooling, several lanes, stalls everywhere; cycles."""

import random
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from amaranth.hdl import Cat, Module
from amaranth.sim import Simulator
from hypothesis import given, settings
from hypothesis import strategies as st
from shapes import PAIR
from streams import drain, feed
from tsa_models import largest, logit, planes, train

from trispike_hw import architecture
from trispike_hw.architecture import Architecture
from trispike_hw.layout import Mode
from trispike_hw.lone_row import LoneRow
from trispike_hw.tsa_layout import answer_tiles
from trispike_hw.tsa_row import TsaRow
from trispike_hw.tsa_scheduler import QUEUE

PATIENCE = 5000
FEW_TILES = {"constant_tiles": 8}
ARCHITECTURES = {
    name: architecture.build(PAIR.model_dump() | FEW_TILES | fields)
    for name, fields in {
        "pair": {},
        "base": {"lanes": 8, "tsa_width": 8},
        "wide": {"lanes": 4, "tsa_width": 16},
        "many": {"lanes": 16, "columns": 4, "tsa_width": 2},
        "spread": {"lanes": 32, "clusters": 8, "columns": 4, "tsa_width": 2},
        "spread, in one pass": {"lanes": 32, "clusters": 8, "columns": 4, "tsa_width": 4},
        "columns 8": {"lanes": 2, "columns": 8, "tsa_width": 4, "accumulator_bits": 12, "potential_bits": 24},
        "alone": {"lanes": 1, "columns": 8, "tsa_width": 1, "max_time_steps": 8},
        "alone, in one pass": {"lanes": 1, "columns": 8, "tsa_width": 8, "max_time_steps": 8},
        "columns 4, one neuron": {"lanes": 4, "columns": 4, "tsa_width": 1, "spike_words": 8192},
    }.items()
}


def row_of(arch: Architecture) -> TsaRow:
    return LoneRow(arch) if arch.lone_lane else TsaRow(arch)


def simulator_of(dut: TsaRow) -> Simulator:
    """Of a row whose sums are announced when they are there."""
    m = Module()
    m.submodules.dut = dut
    m.d.comb += dut.sums_soon.eq(Cat(port.valid for port in dut.i_sums))
    return Simulator(m)


@dataclass
class Layer:
    """A random layer: what goes into the row, and what has to come out."""

    arch: Architecture
    time_steps: int
    silent: int
    mode: Mode
    constants: list[list[dict[str, int]]]  # [tile][column]
    contexts: list[list[dict[str, int]]]  # [lane][item]
    sums: list[
        list[list[int]]
    ]  # [lane][item * T + t][column], or of a lane alone a part of the columns after the other
    plane: int
    words: dict[int, tuple[int, int]] = field(default_factory=dict)
    parts: list[tuple[int, int, tuple[int, ...]]] = field(default_factory=list)  # (tile, q, values), sorted

    @property
    def config(self) -> dict:
        return {"time_steps": self.time_steps, "silent": self.silent, "mode": self.mode, "plane": self.plane}


def random_constants(rng: random.Random, arch: Architecture) -> list[list[dict[str, int]]]:
    """Constants [tile][column]."""
    tiles = []
    for _ in range(arch.constant_tiles):
        thetas = [rng.randrange(2, 1 << rng.randint(2, 10)) for _ in range(arch.columns)]
        tiles.append([{"theta": x, "phi": rng.randint((x + 1) // 2, x), "bias": rng.randint(-x, x)} for x in thetas])
    return tiles


def random_layer(
    rng: random.Random,
    arch: Architecture,
    constants: list[list[dict[str, int]]],
    kind: tuple[Mode, int, int],
    items: int,
    pooled: bool = False,
) -> Layer:
    """A layer of `kind` (mode, T, s) with `items` items per lane; `pooled`, in windows of up to four."""
    mode, time_steps, silent = kind
    lanes, columns = range(arch.cluster_lanes), range(arch.columns)
    part = arch.tsa_width if arch.lone_lane else arch.columns
    layer = Layer(
        arch, time_steps, silent, mode, constants, [[] for _ in lanes], [[] for _ in lanes], arch.spike_words // 18 + 1
    )
    base = 0
    for lane in lanes:
        left = items
        while left:
            window = rng.randint(1, min(left, 4)) if pooled else 1
            left -= window
            trains = []
            for number in range(window):
                tiles = answer_tiles(arch) if mode == Mode.LOGITS else arch.constant_tiles
                tile, use_bias = rng.randrange(tiles), rng.getrandbits(1)
                spread = 1 << rng.randint(0, 9)
                z = [[rng.randint(-spread, spread) for _ in columns] for _ in range(time_steps)]
                layer.sums[lane] += [step[low : low + part] for step in z for low in range(0, arch.columns, part)]
                layer.contexts[lane].append(
                    {
                        "address": tile if mode == Mode.LOGITS else base,
                        "constants": tile,
                        "use_bias": use_bias,
                        "first": number == 0,
                        "last": number == window - 1,
                    }
                )
                neurons = [([step[c] for step in z], constants[tile][c]) for c in columns]
                if mode == Mode.LOGITS:
                    values = [logit(sums, own["bias"] * use_bias) for sums, own in neurons]
                    width = arch.tsa_width
                    layer.parts += [(tile, q, tuple(values[q * width :][:width])) for q in range(arch.tsa_passes)]
                else:
                    trains.append([train(sums, silent, mode, **own) for sums, own in neurons])
            for digit in range(time_steps if trains else 0):
                best = [largest([item[c] for item in trains])[digit] for c in columns]
                layer.words[(base + digit * layer.plane) % arch.spike_words] = planes(best)
            base += 1
    layer.parts.sort()
    return layer


def assigned(layer: Layer, rng: random.Random) -> list[dict]:
    """The layer's contexts with their lanes, in any order that keeps a lane's items in theirs."""
    order = [lane for lane, contexts in enumerate(layer.contexts) for _ in contexts]
    rng.shuffle(order)
    left = [iter(contexts) for contexts in layer.contexts]
    return [{"lane": lane, "context": next(left[lane])} for lane in order]


async def load_constants(ctx, dut: TsaRow, arch: Architecture, constants: list[list[dict[str, int]]]) -> None:
    ctx.set(dut.constants.enable, 1)
    for tile, row in enumerate(constants):
        for word in range(arch.constant_passes):
            ctx.set(dut.constants.address, tile * arch.constant_passes + word)
            neurons = row[word * arch.constant_width :][: arch.constant_width]
            stored = [{k: own[k] for k in ("theta", "bias")} | {"below_phi": own["phi"] - 1} for own in neurons]
            ctx.set(dut.constants.data, stored)
            await ctx.tick()
    ctx.set(dut.constants.enable, 0)


def run(layers: list[Layer], rng: random.Random, stall: float) -> None:
    """Run `layers` one after the other on one row, with the constants of the first, and compare all that comes out."""
    dut = row_of(layers[0].arch)
    written: dict[int, tuple[int, int]] = {}
    parts: list[tuple[int, int, tuple[int, ...]]] = []
    turn = [-1]

    def take_word(word):
        assert word.address not in written, f"address {word.address} is written twice"
        written[word.address] = (word.pos, word.neg)

    def take_part(part):
        parts.append((part.tile, part.q, tuple(part["values"])))

    async def control(ctx):
        await load_constants(ctx, dut, layers[0].arch, layers[0].constants)
        for number, layer in enumerate(layers):
            ctx.set(dut.config, layer.config)
            turn[0] = number
            for _ in range(PATIENCE):
                await ctx.tick()
                if (len(written), len(parts)) == (len(layer.words), len(layer.parts)):
                    break
            await ctx.tick().repeat(2)
            assert ctx.get(dut.idle)
            assert written == layer.words
            assert sorted(parts) == layer.parts
            written.clear()
            parts.clear()

    def feeder(port, payloads, seed: random.Random, stall: float = stall):
        async def bench(ctx):
            for number in range(len(layers)):
                while turn[0] < number:
                    await ctx.tick()
                await feed(ctx, port, payloads[number], seed, stall)

        return bench

    # A lane alone hands over the parts of a vector one behind the other.
    between_sums = 0.0 if layers[0].arch.lone_lane else stall

    async def words(ctx):
        await drain(ctx, dut.o_words, take_word, rng, stall, lambda: False, PATIENCE)

    async def answers(ctx):
        await drain(ctx, dut.o_logits, take_part, rng, stall, lambda: False, PATIENCE)

    simulator = simulator_of(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(control)
    contexts = [assigned(layer, rng) for layer in layers]
    simulator.add_testbench(feeder(dut.i_context, contexts, random.Random(rng.random())), background=True)
    for lane in range(layers[0].arch.cluster_lanes):
        sums, seed = [layer.sums[lane] for layer in layers], random.Random(rng.random())
        simulator.add_testbench(feeder(dut.i_sums[lane], sums, seed, between_sums), background=True)
    simulator.add_testbench(words, background=True)
    simulator.add_testbench(answers, background=True)
    simulator.run()


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("stall", [0.0, 0.5])
def test_layers_of_all_modes(name: str, stall: float) -> None:
    """One layer of each kind after the other on the same row."""
    arch = ARCHITECTURES[name]
    rng = random.Random(f"row {name} {stall}")
    constants = random_constants(rng, arch)
    layers = [
        random_layer(rng, arch, constants, kind, items, pooled)
        for kind, items, pooled in (
            ((Mode.RELU, 6, 1), 2, False),
            ((Mode.LOGITS, 4, 2), 2, False),
            ((Mode.SIGNED, 3, 3), 4, True),
            ((Mode.PASS, 2, 0), 4, True),
            ((Mode.RELU, 1, 0), 5, True),
        )
    ]
    run(layers, rng, stall)


@settings(derandomize=True, deadline=None, max_examples=12)
@given(st.data())
def test_random_layers(data: st.DataObject) -> None:
    """Any T, any s up to T, any mode."""
    time_steps = data.draw(st.integers(1, 16))
    mode = data.draw(st.sampled_from(list(Mode)))
    silent = 0 if mode == Mode.PASS else data.draw(st.integers(0, time_steps))
    pooled = mode != Mode.LOGITS and data.draw(st.booleans())
    stall = data.draw(st.sampled_from((0.0, 0.2, 0.7)))
    rng = random.Random(data.draw(st.integers(0, 1 << 32)))
    arch = ARCHITECTURES["columns 8"]
    run([random_layer(rng, arch, random_constants(rng, arch), (mode, time_steps, silent), 4, pooled)], rng, stall)


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("lanes", ["one", "all"])
def test_cycles(name: str, lanes: str) -> None:
    """All lanes together take tsa_passes cycles a step, trailing ones included; a lane alone at most four more."""
    arch = ARCHITECTURES[name]
    time_steps, silent, items = 6, 2, 4
    dut = row_of(arch)
    active = range(arch.cluster_lanes if lanes == "all" else 1)
    rng = random.Random(0)  # decides nothing: no stalls
    took = []

    async def contexts(ctx):
        context = {"first": 1, "last": 1}
        await ctx.tick()
        await feed(ctx, dut.i_context, [{"lane": lane, "context": context} for lane in active] * items, rng, 0.0)

    async def control(ctx):
        ctx.set(dut.config, {"time_steps": time_steps, "silent": silent, "mode": Mode.RELU, "plane": 1})
        ctx.set(dut.o_words.ready, 1)
        await ctx.tick()
        for lane in active:
            ctx.set(dut.i_sums[lane].valid, 1)
        words = cycles = 0
        while words < items * time_steps * len(active) and cycles < PATIENCE:
            _, _, valid = await ctx.tick().sample(dut.o_words.valid)
            words += valid
            cycles += 1
        took.append(cycles)

    simulator = simulator_of(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(control)
    simulator.add_testbench(contexts, background=True)
    simulator.run()
    turns = items * (time_steps + silent)
    period = max(len(active) * arch.tsa_passes, arch.tsa_passes + 3 + arch.spread)
    least = period * turns - arch.tsa_passes * len(active)
    if arch.lone_lane:
        least -= items * silent  # has no word to hand on in a silent step
    latency = 22 + arch.tsa_passes + len(active)
    assert least <= took[0] <= period * turns + latency


@pytest.mark.parametrize("name", ["wide", "spread", "spread, in one pass"])
def test_a_full_output_stops_the_row_and_loses_nothing(name: str) -> None:
    """While no word is taken the row takes sums only until its queue is full, and is not idle."""
    arch = ARCHITECTURES[name]
    dut = row_of(arch)
    lanes = range(arch.cluster_lanes)

    async def control(ctx):
        ctx.set(dut.config, {"time_steps": 16, "silent": 0, "mode": Mode.PASS, "plane": 1})
        await ctx.tick()
        contexts = [{"lane": i, "context": {"address": i * 64, "first": 1, "last": 1}} for i in lanes]
        await feed(ctx, dut.i_context, contexts, random.Random(0), 0.0)
        for lane in lanes:
            ctx.set(dut.i_sums[lane].valid, 1)
        taken = 0
        for _ in range(100):
            _, _, *ready = await ctx.tick().sample(*(port.ready for port in dut.i_sums))
            assert not ctx.get(dut.idle)
            taken += sum(ready)
        assert 8 <= taken <= 24
        ctx.set(dut.o_words.ready, 1)
        addresses = []
        for _ in range(200):
            _, _, valid, address = await ctx.tick().sample(dut.o_words.valid, dut.o_words.payload.address)
            addresses += [address] * valid
        assert sorted(addresses) == [lane * 64 + digit for lane in lanes for digit in range(16)]
        assert ctx.get(dut.idle)

    simulator = simulator_of(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(control)
    simulator.run()


def test_a_lane_with_a_full_queue_stops_the_contexts_and_loses_none() -> None:
    """One a cycle is taken while there is room for two, one in two cycles then, none when a queue overflows."""
    arch = ARCHITECTURES["wide"]
    dut = row_of(arch)
    lanes = range(arch.cluster_lanes)
    order = [i for i in lanes for _ in range(QUEUE - 1)] + [1] * 4 + [0] * 3 + [2]
    contexts = [{"lane": i, "context": {"address": n, "first": 1, "last": 1}} for n, i in enumerate(order)]
    taken, addresses = [], []

    async def feeder(ctx):
        await ctx.tick()
        await feed(ctx, dut.i_context, contexts, random.Random(0), 0.0)

    async def control(ctx):
        ctx.set(dut.config, {"time_steps": 1, "silent": 0, "mode": Mode.PASS, "plane": 1})
        ctx.set(dut.o_words.ready, 1)
        for cycle in range(100):
            _, _, valid, ready = await ctx.tick().sample(dut.i_context.valid, dut.i_context.ready)
            taken.extend([cycle] * (valid & ready))
        assert not ctx.get(dut.idle)
        for lane in lanes:
            ctx.set(dut.i_sums[lane].valid, 1)
        while not addresses or not ctx.get(dut.idle):
            _, _, valid, address = await ctx.tick().sample(dut.o_words.valid, dut.o_words.payload.address)
            addresses.extend([address] * valid)

    simulator = simulator_of(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(feeder, background=True)
    simulator.add_testbench(control)
    simulator.run()
    full = (QUEUE - 1) * len(lanes)
    gaps = [later - earlier for earlier, later in pairwise(taken)]
    assert len(taken) == full + 2  # the eighth context of lane 1, and the ninth, which stays in the register
    assert set(gaps[:QUEUE]) == {1}
    assert set(gaps[QUEUE:]) == {2}
    assert sorted(addresses) == list(range(len(order)))
    for lane in lanes:
        own = [address for address in addresses if order[address] == lane]
        assert own == sorted(own)


@pytest.mark.parametrize("mode", [Mode.RELU, Mode.LOGITS])
def test_idle_means_that_every_accepted_item_is_out(mode: Mode) -> None:
    arch = ARCHITECTURES["pair"]
    rng = random.Random(f"idle {mode}")
    time_steps, items = 3, 20
    dut = row_of(arch)
    accepted, taken, idle_cycles = [0], [0], [0]
    output, parts_per_item = (dut.o_logits, arch.tsa_passes) if mode == Mode.LOGITS else (dut.o_words, time_steps)
    context = {"first": 1, "last": 1, "address": 1, "constants": 1, "use_bias": 0}

    def count(_):
        taken[0] += 1

    async def contexts(ctx):
        ctx.set(dut.config, {"time_steps": time_steps, "silent": 1, "mode": mode, "plane": 1})
        ctx.set(dut.i_sums[0].valid, 1)
        await ctx.tick().repeat(2)
        for _ in range(items):
            await feed(ctx, dut.i_context, [{"lane": 0, "context": context}], rng, 0.0)
            accepted[0] += 1
            await ctx.tick().repeat(rng.randrange(100))

    async def watch(ctx):
        while taken[0] < items * parts_per_item:
            before = accepted[0]
            _, _, idle = await ctx.tick().sample(dut.idle)
            if idle:
                idle_cycles[0] += 1
                assert taken[0] == before * parts_per_item

    async def sink(ctx):
        await drain(ctx, output, count, rng, 0.6, lambda: False)

    simulator = simulator_of(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(sink, background=True)
    simulator.add_testbench(contexts)
    simulator.add_testbench(watch)
    simulator.run()
    assert idle_cycles[0] > 100
