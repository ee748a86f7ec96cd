"""Trained networks of others on the RTL, bit by bit; needs the data beside the repository."""

import numpy as np
import pytest
from shared_data import mnist, shared_graph

from trispike import api
from trispike_sim.simulate import simulate

IMAGES = 3
CALIBRATION_IMAGES = 512


@pytest.mark.long
@pytest.mark.parametrize("preset", ["small", "base"])
def test_diehl_network_is_bit_exact(preset):
    graph, (x, labels) = shared_graph("diehl2015_mnist_cnn.onnx"), mnist("test_10k")
    calibration = mnist("train_60k")[0][:CALIBRATION_IMAGES]
    program = api.compile(graph, preset, calibration=calibration)
    report = simulate(program, x[:IMAGES])
    assert report.bit_exact, report.explain()
    np.testing.assert_array_equal(report.integers.argmax(axis=1), labels[:IMAGES])
