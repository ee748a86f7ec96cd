"""One layer from real weights to integers, and what is refused because no integers would do."""

import numpy as np
import pytest
from float_networks import GraphBuilder, images

from trispike.conversion import convert
from trispike.errors import ConversionError
from trispike.float_reference import run
from trispike.golden import GoldenModel, decode
from trispike.network import Mode
from trispike_hw.architecture import preset

SMALL = preset("small")
SHAPE = (3, 12, 12)
SIXTEENTHS = np.stack(np.meshgrid(np.arange(16), np.arange(16)), -1).reshape(-1, 2, 1, 1) / 16


def refusal(graph, arch=SMALL, x=None, **options) -> str:
    with pytest.raises(ConversionError) as caught:
        convert(graph, arch, calibration=images(SHAPE) if x is None else x, **options)
    return str(caught.value)


def test_integers_worked_by_hand():
    """min(max(x0 - x1 / 4 + 1/4, 0), 1) on all inputs of sixteenths, T = s = 4, and logits (h, -h / 4, 1/2 h + 3).

    The input has lam = 1. In the first layer the weight 1 becomes 127, so u = 1/127, w1 = round(-31.75),
    b = round(31.75) and theta = 16 lam / u, of which lam <= 1 allows 2032. In the last layer 1 becomes 127 again.
    """
    graph = (
        GraphBuilder((2, 1, 1))
        .conv("hidden", [[[[1.0]], [[-0.25]]]], bias=[0.25])
        .relu("relu", upper=1.0)
        .conv("logits", [[[[1.0]]], [[[-0.25]]], [[[0.5]]]], bias=[0, 0, 3])
        .build()
    )
    network, report = convert(graph, SMALL, calibration=SIXTEENTHS, time_steps=4, silent=4, correct_bias=False)
    hidden, logits = network.layers
    np.testing.assert_allclose(network.input_scale, [1, 1], rtol=1e-6)
    np.testing.assert_allclose(hidden.unit, [1 / 127], rtol=1e-6)
    assert hidden.segments[0].weights.tolist() == [[[[127]], [[-32]]]]
    assert (hidden.bias.tolist(), hidden.theta.tolist(), hidden.phi.tolist()) == ([32], [2032], [1355])
    assert (hidden.mode, hidden.silent) == (Mode.RELU, 4)
    np.testing.assert_allclose(hidden.scale, [1], rtol=1e-6)
    np.testing.assert_allclose(logits.unit, [1 / 127] * 3, rtol=1e-6)
    assert logits.segments[0].weights.ravel().tolist() == [127, -32, 64]
    assert (logits.bias.tolist(), logits.mode, logits.silent) == ([0, 0, 381], Mode.LOGITS, 0)
    assert [row.weight_sum for row in report.layers] == [159, 127]
    # x = (8/16, 4/16): V = 16 * 32 + 127 * 8 - 32 * 4 = 1400 after 4 steps; A = 1400 * 16 / 2032 = 11.02, so 11
    result = GoldenModel(network).run(np.array([8, 4]).reshape(1, 2, 1, 1) / 16)
    assert result.integers.tolist() == [[127 * 11, -32 * 11, 64 * 11 + 381 * 16]]


def test_one_lam_for_all_channels_before_an_average_at_the_output():
    graph = GraphBuilder(SHAPE).conv("c", outputs=8).relu("r").average_pool("a", 10, 10).build()
    network, _ = convert(graph, SMALL, calibration=images(SHAPE))
    first, last = network.layers
    np.testing.assert_allclose(first.scale, first.scale[0], rtol=1e-12)
    assert np.ptp(first.theta) > 0
    assert np.ptp(last.segments[0].weights) == 0


def test_scales_are_chosen_per_channel():
    weights = np.random.default_rng(0).standard_normal((4, 3, 3, 3)) * np.array([1, 10, 0.1, 3]).reshape(4, 1, 1, 1)
    graph = GraphBuilder(SHAPE).conv("c", weights, bias=[0, 1, 0.1, 0]).relu("r").linear("l", 5).build()
    network, _ = convert(graph, SMALL, calibration=images(SHAPE))
    scale = network.layers[0].scale
    peak = run(graph, images(SHAPE), keep=True)[1]["r"].max(axis=(0, 2, 3))
    assert np.all(scale > peak / 4) and np.all(scale < peak * 5)


@pytest.mark.parametrize(
    ("widths", "bias", "sentence"),
    [
        (
            {"accumulator_bits": 8},  # 48 weights of 127
            0.1,
            "layer c, channel 0: the sum of its weights needs 14 bits, but the hardware has 8, and coarser weights "
            "would lose too much; use an architecture with more accumulator_bits",
        ),
        (
            {"bias_bits": 8},  # a weight of 1/2 becomes 127
            100.0,
            "layer c, channel 0: its bias needs 16 bits, but the hardware has 8, and coarser weights would lose too "
            "much; use an architecture with more bias_bits",
        ),
        (
            {"potential_bits": 12, "bias_bits": 12},
            0.1,
            "layer c, channel 0: its membrane potential needs 23 bits, but the hardware has 12, and coarser weights "
            "would lose too much; use fewer time steps or silent steps, or an architecture with more potential_bits",
        ),
    ],
)
def test_widths_that_coarser_weights_do_not_meet(widths, bias, sentence):
    weights = np.full((1, 3, 4, 4), 0.5)
    graph = GraphBuilder(SHAPE).conv("c", weights, bias=[bias]).relu("r").linear("l", 5).build()
    assert refusal(graph, SMALL.model_copy(update=widths)) == sentence


def test_answers_wider_than_their_register():
    weights = np.full((2, 3, 12, 12), 0.5)
    graph = GraphBuilder(SHAPE).conv("l", weights, bias=[0, 1e4]).build()
    wide = SMALL.model_copy(update={"potential_bits": 40})
    assert refusal(graph, wide, time_steps=16) == (
        "layer l, channel 1: its answer needs 39 bits, but the hardware has 32, and coarser weights would lose too "
        "much; use fewer time steps or silent steps, or smaller weights"
    )


@pytest.mark.parametrize(("limit", "theta"), [(0.9, 1), (0.1, 0)])
def test_activations_that_stop_below_two(limit, theta):
    """127 units are the largest weight; at most 0.9 units of activation leave a theta of 1.8 with one silent step."""
    graph = GraphBuilder((1, 2, 2)).conv("c", [[[[1.0]]]]).relu("r", limit / 127).linear("l", 5).build()
    x = np.linspace(0, 1, 256, dtype=np.float32).reshape(64, 1, 2, 2)
    assert refusal(graph, x=x) == (
        f"layer c, channel 0: theta must be at least 2, but is {theta}; use more silent steps, more weight bits, or "
        "smaller weights in this channel"
    )
    convert(graph, SMALL, calibration=x, silent=5)


#: Wider than any architecture may be, so that T = s = 12 fits and weights add no error of their own.
IDEAL = SMALL.model_copy(
    update={"weight_bits": 16, "accumulator_bits": 28, "potential_bits": 56, "threshold_bits": 30, "bias_bits": 32}
)


@pytest.mark.parametrize(
    ("arch", "time_steps", "silent", "least"), [(SMALL, 8, 1, 34), (IDEAL, 8, 8, 42), (IDEAL, 12, 12, 64)]
)
@pytest.mark.parametrize("upper", [None, 1.0])
def test_decoded_outputs_agree_with_the_float_network(arch, time_steps, silent, least, upper):
    """Every layer against the float network in dB: fused pooling, a signed layer, average and overlapping pooling."""
    graph = (
        GraphBuilder(SHAPE, seed=4)
        .conv("c", outputs=8, padding=(1, 1, 1, 1))
        .relu("r", upper)
        .max_pool("p", 2, 2)
        .conv("d", outputs=8, padding=(1, 1, 1, 1))
        .conv("e", outputs=8, padding=(1, 1, 1, 1))
        .relu("s")
        .average_pool("a", 2, 2)
        .max_pool("m", 2, 1)
        .average_pool("g", 2, 2)
        .linear("l", 6)
        .build()
    )
    network, _ = convert(graph, arch, calibration=images(SHAPE, 128), time_steps=time_steps, silent=silent)
    x = images(SHAPE, 128)[::4]  # of the calibration images, so that hardly a value saturates
    _, wanted = run(graph, x, keep=True)
    found = GoldenModel(network).run(x, keep_trains=True)
    decoded = {layer.name: decode(found.trains[layer.name], layer.scale) for layer in network.layers[:-1]}
    decoded["l"] = found.logits[:, :, None, None]
    outputs = {"c": "p", "d": "d", "e": "s", "a": "a", "m": "m", "l": "l"}
    ratios = {
        name: 10 * np.log10(np.square(wanted[node]).sum() / np.square(wanted[node] - decoded[name]).sum())
        for name, node in outputs.items()
    }
    assert {layer.name for layer in network.layers} == set(outputs) and min(ratios.values()) > least, ratios
