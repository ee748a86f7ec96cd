"""Networks with branches on the generated accelerator, converted from float: bit-exact against the golden model."""

import pytest
from small_graphs import GRAPHS, images

from trispike.conversion import convert
from trispike.lowering import lower
from trispike_hw.architecture import build, preset
from trispike_sim.simulate import simulate

# One worker runs them all: the Verilator model, which takes longest, is compiled once.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("branches")]

ROOMY = build(
    preset("small").model_dump() | {"name": "roomy", "weight_rows": 4096, "spike_words": 16384, "program_words": 1024}
)


@pytest.mark.parametrize("name", ["padded", "projected", "fire", "vgg", "separable", "shuffled", "dense", "averages"])
def test_branches_are_bit_exact(verilator, name):
    graph = GRAPHS[name]()
    network, _ = convert(graph, ROOMY, calibration=images(graph, 32), time_steps=3)
    report = simulate(lower(network, ROOMY), images(graph, 1, seed=5), engine=verilator)
    assert report.explain() == "bit-exact: all trains and integers of 1 image equal the golden model's"
