"""The networks of MLPerf Tiny, whole, on the RTL: every layer and step as in the golden model."""

import time

import numpy as np
import pytest
from shared_data import shared_file, shared_graph

from trispike import api
from trispike_sim.simulate import simulate

IMAGES = 3
CALIBRATION_IMAGES = 256
MOST_SECONDS = 180  #: for one image of ResNet-8, the build of the simulation included


def cifar(name: str) -> np.ndarray:
    """Images float32 [N, 3, 32, 32], pixels 0..255."""
    with np.load(shared_file(name)) as file:
        return file["images"].transpose(0, 3, 1, 2).astype(np.float32)


def keywords() -> np.ndarray:
    """Recordings float32 [N, 1, 49, 10], coefficients as they were before they were quantised."""
    with np.load(shared_file("kws_mlperf_kws01_1000_mfcc_int8.npz")) as file:
        return (0.5847029089927673 * (file["mfcc"][:, None].astype(np.float32) - 83)).astype(np.float32)


def bit_exact(program, x, engine):
    report = simulate(program, x, engine=engine)
    assert report.bit_exact, report.explain()


@pytest.mark.long
def test_resnet8_is_bit_exact(verilator, tmp_path, monkeypatch):
    graph = shared_graph("mlperf_resnet8_cifar10.onnx")
    calibration = cifar("cifar10_train_first4k_lossless.npz")[:CALIBRATION_IMAGES]
    program = api.compile(graph, "base", calibration=calibration)
    x = cifar("cifar10_test_lossless_subset.npz")[:IMAGES]
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))  # nothing is built yet
    start = time.monotonic()
    bit_exact(program, x[:1], verilator)
    assert time.monotonic() - start < MOST_SECONDS
    bit_exact(program, x, verilator)


@pytest.mark.long
def test_dscnn_is_bit_exact(verilator):
    x = keywords()
    program = api.compile(shared_graph("mlperf_dscnn_kws_float.onnx"), "base", calibration=x[-CALIBRATION_IMAGES:])
    bit_exact(program, x[:IMAGES], verilator)
