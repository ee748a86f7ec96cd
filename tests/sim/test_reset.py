"""A reset in the middle of a run leaves nothing behind that a later run could see, for most registers have no reset."""

import random

import numpy as np
import pytest
from amaranth.hdl import ResetInserter, Signal
from amaranth.sim import Simulator
from random_networks import random_image, random_network
from shapes import PAIR

from trispike.device import open_device
from trispike.lowering import lower
from trispike.streams import input_stream, load_stream
from trispike_hw.accelerator import Accelerator
from trispike_hw.architecture import Architecture, build, preset

LONE = build(preset("nano").model_dump() | {"name": "lone", "spike_words": 4096, "weight_rows": 512})
RUNS = 4


@pytest.mark.parametrize("arch", [PAIR, LONE], ids=lambda arch: arch.name)
def test_runs_behind_a_reset_are_right(arch: Architecture):
    network = random_network(3, arch, largest=4)
    program, x = lower(network, arch), random_image(network, 0)
    expected = open_device("golden").run(program, x[None]).integers[0]
    load, image = load_stream(program), input_stream(program, x)
    dut, restart = Accelerator(arch), Signal()
    answers: list[list[int]] = []
    rng = random.Random(1)

    async def bench(ctx):
        async def send(words):
            for word in words:
                ctx.set(dut.i.payload, int(word))
                ctx.set(dut.i.valid, 1)
                await ctx.tick().until(dut.i.ready)
            ctx.set(dut.i.valid, 0)

        async def answer():
            words, cycles, last = [], 0, False
            while not last:
                _, _, valid, value, last = await ctx.tick().sample(dut.o.valid, dut.o.payload, dut.o_last)
                cycles, last = cycles + 1, valid and last
                if valid:
                    words.append(value)
            return words, cycles

        ctx.set(dut.o.ready, 1)
        await send(load)
        await send(image)
        words, cycles = await answer()
        answers.append(words)
        for _ in range(RUNS):
            await send(image)
            await ctx.tick().repeat(rng.randrange(1, cycles))
            ctx.set(restart, 1)
            await ctx.tick()
            ctx.set(restart, 0)
            await send(image)
            answers.append((await answer())[0])

    simulator = Simulator(ResetInserter(restart)(dut))
    simulator.add_clock(1e-8)
    simulator.add_testbench(bench)
    simulator.run()
    assert [np.array(words, np.int64).tolist() for words in answers] == [np.ravel(expected).tolist()] * (RUNS + 1)
