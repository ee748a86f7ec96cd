"""The dense array computes convolutions, and takes the cycles that it is charged with."""

import numpy as np
import pytest
from amaranth.sim import Simulator
from bench.dense_array.array import ACCUMULATOR_BITS, QUANTISED, DenseArray
from bench.dense_array.cycles import DRAIN, layer_cycles
from bench.dense_array.loops import LEVELS

pytestmark = pytest.mark.long

COLUMNS, SCALE, OUTPUT = 16, 6, 128
WIDTH, HEIGHT, CHANNELS, OUTPUTS = 8, 2, 8, 32
COUNTS = (1, 3, 3, 1, HEIGHT, 2)  # words, kernel columns, kernel rows, eights of pixels, rows, tiles
STEPS = ((0, 0), (1, 0), (0, 1), (8, 0), (0, 1), (0, 0))  # of each loop, in x and y


def convolution(x, weights, biases):
    """3x3 with padding 1, scaled by a power of two and clipped; weights [3, 3, inputs, outputs]."""
    padded = np.pad(x, ((1, 1), (1, 1), (0, 0)))
    windows = (padded[ky : ky + HEIGHT, kx : kx + WIDTH] @ weights[ky, kx] for ky in range(3) for kx in range(3))
    return np.clip((sum(windows) + biases) >> SCALE, 0, 255)


def packed(values, bits):
    """Numbers side by side in one word, the first one lowest."""
    return sum((int(value) & ((1 << bits) - 1)) << (bits * i) for i, value in enumerate(values))


def change(level):
    """What the loops change when `level` advances and those below it restart."""
    back = np.sum([(COUNTS[inner] - 1) * np.array(STEPS[inner]) for inner in range(level)], axis=0)
    x, y = (int(step) for step in STEPS[level] - back)
    return {"address": y * WIDTH + x, "x": x, "y": y}


def test_a_convolution_of_two_tiles():
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (HEIGHT, WIDTH, CHANNELS))
    weights = rng.integers(-128, 128, (3, 3, CHANNELS, OUTPUTS))
    biases = rng.integers(-5000, 5000, OUTPUTS)
    rows = 9 * CHANNELS
    array = DenseArray(COLUMNS, activation_words=512, weight_rows=2 * rows, tiles=2)
    found = np.zeros((HEIGHT * WIDTH, OUTPUTS), np.int64)
    cycles = 0

    async def bench(ctx):
        nonlocal cycles
        tiles = weights.reshape(rows, 2, COLUMNS).transpose(1, 0, 2).reshape(-1, COLUMNS)
        for memory, bits, content in (
            (array.activation_memory, 8, x.reshape(-1, CHANNELS)),
            (array.weight_memory, 8, tiles),
            (array.bias_memory, ACCUMULATOR_BITS, biases.reshape(-1, QUANTISED)),
        ):
            for address, values in enumerate(content):
                ctx.set(memory.data[address], packed(values, bits))
        for level in range(LEVELS):
            ctx.set(array.counts[level], COUNTS[level])
            ctx.set(array.changes[level], change(level))
        ctx.set(array.begin, {"address": -WIDTH - 1, "x": -1, "y": -1})
        ctx.set(array.row_step, {"address": 1, "x": 1, "y": 0})
        sizes = {"width": WIDTH, "height": HEIGHT, "pass_rows": rows}
        for name, value in (sizes | {"output": OUTPUT, "output_pitch": OUTPUTS // 8, "scale": SCALE}).items():
            ctx.set(getattr(array, name), value)
        ctx.set(array.start, 1)
        await ctx.tick()
        ctx.set(array.start, 0)
        while ctx.get(array.busy):
            await ctx.tick()
            cycles += 1
        for pixel in range(HEIGHT * WIDTH):
            for word in range(OUTPUTS // 8):
                value = ctx.get(array.activation_memory.data[OUTPUT + pixel * OUTPUTS // 8 + word])
                found[pixel, word * 8 : word * 8 + 8] = [value >> 8 * i & 255 for i in range(8)]

    simulator = Simulator(array)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    np.testing.assert_array_equal(found.reshape(HEIGHT, WIDTH, OUTPUTS), convolution(x, weights, biases))
    assert cycles == layer_cycles(HEIGHT * WIDTH, OUTPUTS, 9, COLUMNS) + DRAIN
