"""An input that is coded around its middle, with its padding, on the generated accelerator: bit-exact."""

import pytest
from test_conversion_input_coding import SMALL, pixel_network, pixels

from trispike.conversion import convert
from trispike.lowering import lower
from trispike_sim.simulate import simulate

# One worker runs all tests on the Verilator model of preset small, which takes long to build.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("preset small")]


def test_a_centred_input_is_bit_exact(verilator):
    network, _ = convert(pixel_network(), SMALL, calibration=pixels(), time_steps=6)
    assert network.input_offset is not None and network.input_padding == (1, 1, 1, 1)
    report = simulate(lower(network, SMALL), pixels(2, seed=5), engine=verilator)
    assert report.explain() == "bit-exact: all trains and integers of 2 images equal the golden model's"
