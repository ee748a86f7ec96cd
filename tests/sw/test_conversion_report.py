"""The report of a conversion: what its figures mean, and that it is JSON."""

import json

import numpy as np
import pytest
from float_networks import GraphBuilder, images

from trispike.conversion import convert
from trispike.conversion.report import layer_report, span, spike_rate
from trispike.golden import GoldenModel
from trispike.network import Kind, Layer, Mode, Segment
from trispike_hw.architecture import preset

SHAPE = (3, 12, 12)


def one_layer(mode: Mode) -> Layer:
    """Two channels with lam = 1 and 2, u = 1/4, weights 8 and 3."""
    theta = np.array([32, 64]) if mode is Mode.RELU else np.zeros(2, np.int64)
    return Layer(
        "c", (Segment("input", Kind.LANEWISE, np.array([[[8]], [[-3]]])),), (2, 1, 1), (2, 1, 1), mode,
        np.array([0, 0]), theta, theta * 2 // 3, 3 if mode is Mode.RELU else 0, np.array([1.0, 2.0]), np.full(2, 0.25),
    )  # fmt: skip


def test_figures_of_a_layer_worked_by_hand():
    trains = np.zeros((2, 2, 2, 1, 1), np.int8)  # two images, T = 2
    trains[0, 0, 0] = trains[0, 1, 0] = trains[1, 0, 1] = 1  # A = 3 and 0, then 0 and 2: 0.75, 0; 0, 1.0
    wanted = np.array([[1.25, 0.0], [0.0, 1.5]]).reshape(2, 2, 1, 1)
    row = layer_report(one_layer(Mode.RELU), trains, wanted, 2)
    assert (row.scale, row.theta, row.phi) == ((1.0, 2.0), (32, 64), (21, 42))
    assert row.clipped == 1 / 4  # 1.25 is beyond 1
    assert row.spikes == 3 / 8
    assert row.sqnr_db == pytest.approx(10 * np.log10((1.25**2 + 1.5**2) / (0.5**2 + 0.5**2)))
    assert row.mean_error == pytest.approx((-0.5 / 0.25 - 0.5 / 0.5) / 4)  # last digits are 1/4 and 2/4
    assert (row.weight_peak, row.weight_sum) == (3, 8)


def test_figures_of_the_last_layer_worked_by_hand():
    integers = np.array([[8, -4]]).reshape(1, 2, 1, 1)
    layer = one_layer(Mode.LOGITS)
    row = layer_report(
        Layer(**vars(layer) | {"scale": layer.unit}), integers, np.array([[0.5, -0.5]])[:, :, None, None], 2
    )
    assert (row.scale, row.theta, row.phi, row.clipped, row.spikes) == (None,) * 5
    assert row.mean_error == pytest.approx((0 + 0.25 / 0.25) / 2)  # logits 0.5 and -0.25
    assert (row.weight_peak, row.weight_sum, row.potential_bits) == (8, 8, 6)  # |S| <= 8 * 3


def test_no_error_has_no_ratio():
    trains = np.zeros((1, 2, 2, 1, 1), np.int8)
    assert layer_report(one_layer(Mode.RELU), trains, np.zeros((1, 2, 1, 1)), 2).sqnr_db is None


def test_rates_and_spans():
    assert spike_rate(np.array([[[[[1]], [[-1]]], [[[0]], [[0]]]]], np.int8)) == 0.5
    assert span(np.array([3.0, 1.0, 2.0])) == (1.0, 3.0)


def test_the_report_is_json_and_says_what_the_network_does():
    graph = GraphBuilder(SHAPE).conv("c").relu("r").max_pool("m", 3, 2).linear("l", 5).build()
    x = images(SHAPE)
    network, report = convert(graph, preset("small"), calibration=x, silent=1, tau=0.6)
    content = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert list(content) == [
        "network", "time_steps", "silent", "tau", "images", "input_scale", "input_offset", "input_clipped",
        "input_spikes", "agreement", "layers", "warnings",
    ]  # fmt: skip
    assert (content["network"], content["time_steps"], content["silent"], content["tau"]) == ("net", 8, 1, 0.6)
    assert content["images"] == 64
    assert [(row["name"], row["mode"], row["shape"]) for row in content["layers"]] == [
        ("c", "relu", [4, 10, 10]), ("m", "pass", [4, 4, 4]), ("l", "logits", [5, 1, 1]),
    ]  # fmt: skip
    assert content["layers"][1]["theta"] is None and content["layers"][1]["scale"] == content["layers"][0]["scale"]
    result = GoldenModel(network).run(x)
    assert content["input_clipped"] == result.clipped / x.size
    for row, spikes in zip(content["layers"], (result.spikes["c"], result.spikes["m"]), strict=False):
        assert row["spikes"] == pytest.approx(spikes.sum() / (64 * 8 * np.prod(row["shape"])))
