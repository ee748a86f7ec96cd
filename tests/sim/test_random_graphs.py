"""Random networks: what the RTL computes is what the golden model computes, at every layer, step and answer.

`make test-random` runs more of them; the seeds are in RANDOM_SEEDS, "first:behind the last", the simulator in
RANDOM_ENGINE.
"""

import os

import pytest
from random_graphs import random_case

from trispike_hw.architecture import preset
from trispike_sim.simulate import simulate

# One worker runs them all: the Verilator model, which takes longest, is compiled once.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("preset small")]

FIRST, END = (int(number) for number in os.environ.get("RANDOM_SEEDS", "0:20").split(":"))
ENGINE = os.environ.get("RANDOM_ENGINE", "verilator")
SMALL = preset("small")


@pytest.mark.parametrize("seed", range(FIRST, END))
def test_random_network_is_bit_exact(engine, seed):
    case = random_case(seed, SMALL)
    report = simulate(case.program, case.images, engine=engine(ENGINE), seed=seed)
    assert report.bit_exact, f"{report.explain()}; {case.options}; again: make test-random FIRST={seed} SEEDS=1"
