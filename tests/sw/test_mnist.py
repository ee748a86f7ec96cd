"""Trained networks of others on the whole MNIST test set, in the golden model; needs the data beside the repository."""

import numpy as np
import pytest
from shared_data import mnist, shared_graph

from trispike import api, float_reference
from trispike.golden import GoldenModel

CALIBRATION_IMAGES = 512


@pytest.mark.slow
def test_diehl_network_loses_a_thousandth_at_most():
    graph, (x, labels) = shared_graph("diehl2015_mnist_cnn.onnx"), mnist("test_10k")
    calibration = mnist("train_60k")[0][:CALIBRATION_IMAGES]
    program = api.compile(graph, "small", calibration=calibration, time_steps=8)
    integers = GoldenModel(program.network).run(x).integers
    wanted = float_reference.run(graph, x)
    right, right_in_float = (int(np.sum(answer.argmax(axis=1) == labels)) for answer in (integers, wanted))
    assert right_in_float == 9914  # as its source says
    assert right >= right_in_float - 10
    assert np.mean(integers.argmax(axis=1) == wanted.argmax(axis=1)) >= 0.998
