"""The neuron alone: random steps, and the borders of firing."""

import random
from functools import reduce
from operator import or_

import pytest
from amaranth.sim import Simulator
from shapes import PAIR
from tsa_models import neuron_step

from trispike_hw import architecture
from trispike_hw.tsa_neuron import BRANCHES, TsaNeuron

LATENCY = 3

ARCHITECTURES = {
    "small": architecture.preset("small"),
    "narrow": architecture.build(
        PAIR.model_dump() | {"accumulator_bits": 8, "potential_bits": 12, "threshold_bits": 4, "bias_bits": 6}
    ),
    "wide thresholds": architecture.build(
        architecture.preset("small").model_dump() | {"potential_bits": 14, "threshold_bits": 16, "bias_bits": 14}
    ),
}


def wrapped(value: int, bits: int) -> int:
    return (value + (1 << bits - 1)) % (1 << bits) - (1 << bits - 1)


def random_case(rng: random.Random, arch: architecture.Architecture) -> dict[str, int]:
    bits = arch.potential_bits
    phi = rng.randrange(1, 1 << min(arch.threshold_bits, bits - 3))
    theta = rng.randrange(phi, min(2 * phi + 1, 1 << arch.threshold_bits))
    # Aim at the borders: 2 V + z lands within 2 of -phi, 0 or phi in two cases of three.
    z = rng.randrange(-(1 << min(arch.accumulator_bits, bits - 2) - 1), 1 << min(arch.accumulator_bits, bits - 2) - 1)
    aim = rng.choice([-phi, 0, phi]) + rng.randint(-2, 2)
    limit = 1 << bits - 3
    potential = (aim - z) // 2 if rng.random() < 2 / 3 else rng.randrange(-limit, limit)
    anew = rng.random() < 0.2
    return {
        "phi": phi,
        "theta": theta,
        "z": z,
        "potential": 0 if anew else potential,
        "bias": rng.randrange(-(1 << min(arch.bias_bits, bits - 2) - 1), 1 << min(arch.bias_bits, bits - 2) - 1),
        "fired": 0 if anew else rng.getrandbits(1),
        "biased": anew and rng.getrandbits(1),
        "fires": rng.random() < 0.9,
        "two_sided": rng.getrandbits(1),
        "unit_threshold": rng.random() < 0.1,
        "enable": rng.random() < 0.8,
    }


def expected(case: dict[str, int]) -> tuple[int, int, int]:
    start = case["bias"] if case["biased"] else case["potential"]
    phi = 1 if case["unit_threshold"] else case["phi"]
    return neuron_step(start, case["z"], case["theta"], phi, bool(case["fired"]), case["fires"], case["two_sided"])


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_steps_match_the_scalar_model(name: str) -> None:
    arch = ARCHITECTURES[name]
    rng = random.Random(f"neuron {name}")
    cases = [random_case(rng, arch) for _ in range(1500)]
    dut = TsaNeuron(arch)
    seen = []

    async def bench(ctx):
        want = None
        for cycle in range(len(cases) + LATENCY):
            if cycle < len(cases):
                case = cases[cycle]
                for key in ("enable", "biased", "fires", "two_sided", "unit_threshold"):
                    ctx.set(getattr(dut, key), case[key])
                masks = [rng.getrandbits(arch.accumulator_bits) for _ in range(BRANCHES - 1)]
                parts = [case["z"] & mask for mask in masks]  # bits that none of them has are left for the last
                parts.append(case["z"] & ~reduce(or_, masks))
                ctx.set(dut.z, [wrapped(part, arch.accumulator_bits) for part in parts])
                ctx.set(dut.state, {"potential": case["potential"], "fired": case["fired"]})
                ctx.set(dut.constants, {k: case[k] for k in ("theta", "bias")} | {"below_phi": case["phi"] - 1})
            else:
                ctx.set(dut.enable, 0)
            if cycle >= LATENCY:
                if cases[cycle - LATENCY]["enable"]:
                    want = expected(cases[cycle - LATENCY])
                    seen.append(want[2])
                if want is not None:
                    got = ctx.get(dut.o.potential), ctx.get(dut.o.fired), ctx.get(dut.pos) - ctx.get(dut.neg)
                    assert got == (wrapped(want[0], arch.potential_bits), want[1], want[2]), cases[cycle - LATENCY]
            await ctx.tick()

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    assert all(seen.count(y) > 100 for y in (-1, 0, 1)), "the cases do not reach every digit"
