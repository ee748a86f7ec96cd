import json

import numpy as np
import pytest
from float_networks import GraphBuilder, images

from trispike.conversion import convert
from trispike.errors import ConversionError
from trispike.float_reference import run
from trispike.golden import GoldenModel, potential_bound, sum_abs_weights
from trispike.network import Mode
from trispike_hw.architecture import preset

SMALL = preset("small")
WIDE = SMALL.model_copy(update={"potential_bits": 32, "threshold_bits": 24, "accumulator_bits": 24})
SHAPE = (3, 12, 12)


def sqnr(graph, network, x):
    """Ratio of float logits to the spiking network's error in dB."""
    wanted, found = run(graph, x), GoldenModel(network).run(x).logits
    return 10 * np.log10(np.square(wanted).sum() / np.square(found - wanted).sum())


def test_a_network_worked_by_hand():
    """One neuron max(x0 - x1 / 4 + 1/4, 0), and logits (h, -h / 4)."""
    graph = (
        GraphBuilder((2, 1, 1))
        .conv("hidden", [[[[1.0]], [[-0.25]]]], bias=[0.25])
        .relu("relu")
        .conv("logits", [[[[1.0]]], [[[-0.25]]]])
        .build()
    )
    sixteenths = np.stack(np.meshgrid(np.arange(16), np.arange(16)), -1).reshape(-1, 2, 1, 1) / 16
    network, report = convert(graph, SMALL, calibration=sixteenths, time_steps=4, silent=4)
    np.testing.assert_allclose(network.input_scale, 1, rtol=1e-6)  # 15/16 is the largest value that T = 4 holds
    hidden, logits = network.layers
    np.testing.assert_allclose(hidden.unit, 1 / 127, rtol=1e-6)  # the larger weight, 1, becomes 127
    np.testing.assert_array_equal(hidden.segments[0].weights.ravel(), [127, -32])  # -31.75
    theta = int(hidden.theta[0])
    assert hidden.phi[0] == int(2 / 3 * theta + 0.5)
    np.testing.assert_allclose(hidden.scale, theta / 127 / 16, rtol=1e-6)
    assert 1.0 < hidden.scale[0] < 1.3  # the largest value is 19/16
    last_digit = theta / 16 / 16
    assert abs(hidden.bias[0] - 31.75) <= last_digit + 1
    np.testing.assert_allclose(logits.unit, hidden.scale[0] / 127, rtol=1e-12)
    np.testing.assert_array_equal(logits.segments[0].weights.ravel(), [127, -32])
    assert (logits.mode, logits.silent, report.agreement) == (Mode.LOGITS, 0, 1.0)
    result = GoldenModel(network).run(sixteenths.astype(np.float32))
    wanted = run(graph, sixteenths)
    assert np.abs(result.logits[:, 0] - wanted[:, 0]).max() < 1.5 * hidden.scale[0] / 16


@pytest.mark.parametrize(
    ("time_steps", "silent", "arch", "least"),
    [(8, 8, WIDE, 34), (12, 2, WIDE, 36), (8, 1, SMALL, 33), (6, 1, SMALL, 26)],
)
def test_random_networks_keep_their_signal(time_steps, silent, arch, least):
    for seed in range(3):
        graph = (
            GraphBuilder(SHAPE, seed)
            .conv("c", outputs=8, padding=(1, 1, 1, 1))
            .relu("r")
            .max_pool("p", 2, 2)
            .conv("d", outputs=12)
            .relu("s")
            .linear("l", 10)
            .build()
        )
        network, _ = convert(graph, arch, calibration=images(SHAPE), time_steps=time_steps, silent=silent)
        assert sqnr(graph, network, images(SHAPE, seed=2)) > least


STRUCTURES = {
    "average": lambda b: b.conv("c").relu("r").average_pool("a", 2, 2).linear("l", 5),
    "padded average": lambda b: (
        b.conv("c").relu("r").average_pool("a", 2, 2, padding=(1, 1, 1, 1), count_padding=True).linear("l", 5)
    ),
    "signed average": lambda b: b.conv("c").average_pool("a", 2, 2).relu("r").linear("l", 5),
    "average pooled": lambda b: b.conv("c").relu("r").average_pool("a", 3, 1).max_pool("m", 2, 2).linear("l", 5),
    "overlapping max": lambda b: b.conv("c").relu("r").max_pool("m", 3, 2).linear("l", 5),
    "padded max": lambda b: b.conv("c").relu("r").max_pool("m", 3, 2, padding=(1, 1, 1, 1)).linear("l", 5),
    "signed max": lambda b: b.conv("c").max_pool("m", 3, 2).linear("l", 5),
    "max then relu": lambda b: b.conv("c").max_pool("m", 2, 2).relu("r").linear("l", 5),
    "signed chain": lambda b: b.conv("c").conv("d", outputs=6).linear("l", 5),
    "global average": lambda b: b.conv("c", outputs=8).relu("r").average_pool("a", 10, 10).linear("l", 5),
    "average last": lambda b: b.conv("c", outputs=8).relu("r").average_pool("a", 10, 10),
    "max last": lambda b: b.conv("c", outputs=8).relu("r").max_pool("m", 10, 10),
    "strided": lambda b: b.conv("c", outputs=8, stride=(2, 2), padding=(0, 0, 1, 1)).relu("r").linear("l", 5),
    "clipped": lambda b: b.conv("c").relu("r", 0.5).linear("l", 5),
    "relu of the input": lambda b: b.relu("q").linear("l", 5),
    "linear only": lambda b: b.linear("l", 5),
}


@pytest.mark.parametrize("structure", STRUCTURES)
def test_structures(structure):
    graph = STRUCTURES[structure](GraphBuilder(SHAPE, 3)).build()
    network, report = convert(graph, SMALL, calibration=images(SHAPE) - 0.3, time_steps=10, silent=2)
    assert sqnr(graph, network, images(SHAPE, seed=2) - 0.3) > 30
    assert report.agreement > 0.9


def test_clipping_activations_saturate_at_their_limit():
    graph = GraphBuilder(SHAPE).conv("c").relu("r", 0.5).linear("l", 5).build()
    network, _ = convert(graph, SMALL, calibration=images(SHAPE))
    assert np.all(network.layers[0].scale <= 0.5)


def test_every_integer_fits_and_every_scale_is_exact():
    graph = GraphBuilder(SHAPE).conv("c", outputs=8).relu("r").average_pool("a", 2, 2).linear("l", 5).build()
    network, report = convert(graph, SMALL, calibration=images(SHAPE), silent=3)
    for layer, row in zip(network.layers, report.layers, strict=True):
        total = sum_abs_weights(layer.segments, layer.neurons[0])
        bound = potential_bound(total, layer.bias, layer.theta, layer.phi, 8, layer.silent, layer.mode)
        assert max(bound) < 1 << row.potential_bits - 1 <= 1 << SMALL.potential_bits - 1
        assert total.max() == row.weight_sum < 1 << SMALL.accumulator_bits - 1
        assert max(np.abs(s.weights).max() for s in layer.segments) == 127
        if layer.mode is not Mode.LOGITS:
            assert layer.theta.min() >= 2 and layer.theta.max() < 1 << SMALL.threshold_bits
            np.testing.assert_array_equal(layer.scale, layer.theta * layer.unit / 8)
    assert np.ptp(network.layers[-1].unit) == 0


def test_coarser_weights_where_a_width_demands_it_are_reported():
    arch = SMALL.model_copy(update={"name": "narrow", "potential_bits": 17, "bias_bits": 16})
    graph = GraphBuilder(SHAPE).conv("c", outputs=4).relu("r").linear("l", 5).build()
    network, report = convert(graph, arch, calibration=images(SHAPE), time_steps=6)
    peak = report.layers[0].weight_peak
    assert peak < 64, peak
    assert report.layers[0].potential_bits <= 17
    assert report.warnings[0] == (
        f"layer c: some channels use weights of at most {peak} where 127 would fit, so that everything else stays "
        f"within the widths of architecture narrow"
    )
    assert sqnr(graph, network, images(SHAPE, seed=2)) > 20


def test_relu_at_the_output_is_noted_for_callers():
    graph = GraphBuilder(SHAPE).conv("c").relu("r").linear("l", 5).relu("out").build()
    network, report = convert(graph, SMALL, calibration=images(SHAPE))
    assert network.notes == {"output_relu": "1"} and report.layers[-1].sqnr_db > 25


def test_dead_channels_and_zero_weights_do_no_harm():
    weights = np.random.default_rng(0).standard_normal((4, 3, 3, 3)).astype(np.float32)
    weights[1] = 0
    graph = GraphBuilder(SHAPE).conv("c", weights, bias=[0, 0.5, -1e3, 0]).relu("r").linear("l", 5).build()
    network, _ = convert(graph, SMALL, calibration=images(SHAPE))
    assert np.all(network.layers[0].scale > 0)
    assert sqnr(graph, network, images(SHAPE, seed=2)) > 25


def test_without_images_it_warns():
    graph = GraphBuilder(SHAPE).conv("c").relu("r").linear("l", 5).build()
    _, report = convert(graph, SMALL)
    assert report.warnings == ("calibrated on random input because no images were given: accuracy will suffer",)


def test_deterministic_and_serialisable():
    graph = GraphBuilder(SHAPE).conv("c").relu("r").max_pool("m", 3, 2).linear("l", 5).build()
    (first, report), (second, again) = (convert(graph, SMALL, calibration=images(SHAPE)) for _ in range(2))
    assert json.loads(json.dumps(report.to_dict())) == json.loads(json.dumps(again.to_dict()))
    for a, b in zip(first.layers, second.layers, strict=True):
        np.testing.assert_array_equal(a.theta, b.theta)
        np.testing.assert_array_equal(a.bias, b.bias)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {"time_steps": 17},
            "time_steps must lie in 1..16 on architecture small, not 17; "
            "choose fewer or an architecture with more max_time_steps",
        ),
        ({"silent": 9}, "silent must lie in 0..time_steps = 0..8, not 9; 1 is usual"),
        ({"tau": 1.0}, "tau must lie in 1/2 <= tau < 1, not 1.0; 2/3 is usual"),
        (
            {"time_steps": 16, "silent": 16},
            "layer c, channel 0: its membrane potential needs 37 bits, but the hardware has 28, and coarser weights "
            "would lose too much; use fewer time steps or silent steps, or an architecture with more potential_bits",
        ),
    ],
)
def test_refusals(options, sentence):
    graph = GraphBuilder(SHAPE).conv("c").relu("r").linear("l", 5).build()
    with pytest.raises(ConversionError) as caught:
        convert(graph, SMALL, calibration=images(SHAPE), **options)
    assert str(caught.value) == sentence


def test_theta_below_two_is_refused():
    """Two large weights that cancel leave an activation smaller than one unit."""
    weights = np.zeros((1, 3, 1, 1), np.float32)
    weights[0, :2, 0, 0] = 100, -100
    graph = GraphBuilder(SHAPE).conv("c", weights, bias=[1e-3]).relu("r").linear("l", 5).build()
    x = images(SHAPE)
    x[:, 1] = x[:, 0]
    with pytest.raises(ConversionError) as caught:
        convert(graph, SMALL, calibration=x)
    assert str(caught.value) == (
        "layer c, channel 0: theta must be at least 2, but is 0; use more silent steps, more weight bits, or smaller "
        "weights in this channel"
    )


def test_bias_correction_lowers_the_error():
    gains = []
    for seed in range(3):
        graph = GraphBuilder(SHAPE, seed).conv("c", outputs=8).relu("r").conv("d", outputs=8).relu("s").linear("l", 10)
        with_it, without = (
            convert(graph.build(), SMALL, calibration=images(SHAPE, 256), correct_bias=correct)[0]
            for correct in (True, False)
        )
        x = images(SHAPE, seed=2)
        gains.append(sqnr(graph.build(), with_it, x) - sqnr(graph.build(), without, x))
    assert np.mean(gains) > 0.2 and min(gains) > -0.2
