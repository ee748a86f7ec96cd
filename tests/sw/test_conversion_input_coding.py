from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from emulation import check
from float_networks import GraphBuilder

from trispike import image
from trispike.conversion import convert
from trispike.conversion.fuse import fuse
from trispike.conversion.input_coding import centred_input
from trispike.errors import ConversionError
from trispike.float_reference import run
from trispike.golden import GoldenModel
from trispike.golden.checks import check_network
from trispike.graph import Add, Conv
from trispike.lowering import lower
from trispike.network import INPUT
from trispike_hw.architecture import preset

SHAPE = (3, 9, 9)
SMALL = preset("small")
convert_module = import_module("trispike.conversion.convert")  # the package's `convert` is the function in it


def pixels(count=64, seed=1):
    """Images of whole numbers in 0..255, light or dark as a whole, with little detail."""
    random = np.random.default_rng(seed)
    return np.round(random.uniform(20, 235, (count, 1, 1, 1)) + random.uniform(-20, 20, (count, *SHAPE))).astype(
        np.float32
    )


def pixel_network(stride=1, padding=(1, 1, 1, 1)):
    """Two convolutions and a linear layer; the first looks for differences."""
    weights = np.random.default_rng(0).standard_normal((6, 3, 3, 3))
    weights -= weights.mean(axis=(1, 2, 3), keepdims=True)
    builder = GraphBuilder(SHAPE).conv("c", weights, stride=(stride, stride), padding=padding).relu("r")
    return builder.conv("d", outputs=6).relu("s").linear("l", 5).build()


@pytest.fixture
def centred(monkeypatch):
    """The converter takes the offset whatever it costs."""
    monkeypatch.setattr(convert_module, "_WORTH_OF_SPIKES", -np.inf)


def test_two_values_by_hand():
    """Zeros and ones around 1/2 with T = 4: a digit is worth 1/30, so they are -15 and 15, and padding is a zero."""
    x = np.zeros((1, 1, 2, 2), np.float32)
    x[0, 0, 1, 1] = 1
    weights = np.arange(9).reshape(1, 1, 3, 3)
    graph = (
        GraphBuilder((1, 2, 2)).conv("c", weights, bias=[0.25], padding=(1, 1, 1, 1)).relu("r").linear("l", 2).build()
    )
    coded = centred_input(fuse(graph), x, 4)
    assert coded.padding == (1, 1, 1, 1) and coded.clipped == 0
    np.testing.assert_array_equal(coded.offset, [0.5])
    np.testing.assert_allclose(coded.scale, [0.5 * 16 / 15])
    integers = (coded.trains[0] * np.array([8, 4, 2, 1]).reshape(4, 1, 1, 1)).sum(axis=0)[0]
    expected = np.full((4, 4), -15)
    expected[2, 2] = 15
    np.testing.assert_array_equal(integers, expected)
    assert coded.spikes == 16 * 4  # 15 = 8 + 4 + 2 + 1, as there is no 16 in four digits


def test_the_bias_takes_over_what_the_offset_took_off():
    weights = np.arange(9).reshape(1, 1, 3, 3)
    graph = (
        GraphBuilder((1, 2, 2)).conv("c", weights, bias=[0.25], padding=(1, 1, 1, 1)).relu("r").linear("l", 2).build()
    )
    x = np.array([2.0, 4.0, 6.0, 6.0], np.float32).reshape(1, 1, 2, 2)
    coded = centred_input(fuse(graph), x, 4)
    first, second = coded.plan.layers
    assert first.bias == 0.25 + 4 * 36 and second.bias.tolist() == fuse(graph).layers[1].bias.tolist()
    assert first.segments[0].padding == (0, 0) and second.segments[0].source == "c"


@pytest.mark.parametrize(
    ("options", "padding"),
    [
        (
            {"kernel": 3, "stride": (2, 2), "padding": (0, 0, 1, 1)},
            (0, 0, 0, 0),
        ),  # nine rows: the last zero is not seen
        ({"kernel": 4, "stride": (2, 2), "padding": (0, 0, 1, 1)}, (0, 0, 1, 1)),
        ({"kernel": 3, "dilation": (2, 1), "padding": (2, 1, 2, 1)}, (2, 1, 2, 1)),
        ({"kernel": 5}, (0, 0, 0, 0)),
    ],
)
def test_padding_becomes_part_of_the_input(options, padding):
    graph = GraphBuilder(SHAPE).conv("c", **({"outputs": 2} | options)) if "dilation" not in options else None
    if graph is None:
        weights = np.ones((2, 3, 3, 3), np.float32)
        node = Conv("c", (INPUT,), (2, 9, 9), weights, np.zeros(2, np.float32), (1, 1), (2, 1, 2, 1), (2, 1))
        graph = GraphBuilder(SHAPE).node(node)
    coded = centred_input(fuse(graph.relu("r").linear("l", 2).build()), pixels(2), 4)
    assert coded.padding == padding


def test_readers_that_differ_or_copy_keep_the_plain_code():
    pooled = GraphBuilder(SHAPE).max_pool("m", 3, 2).conv("c").relu("r").linear("l", 2).build()
    assert centred_input(fuse(pooled), pixels(2), 4) is None
    weights = np.ones((2, 3, 3, 3), np.float32)
    nodes = [
        Conv("a", (INPUT,), (2, 9, 9), weights, np.zeros(2, np.float32), padding=(1, 1, 1, 1)),
        Conv("b", (INPUT,), (2, 9, 9), weights[:, :, :1, :1], np.zeros(2, np.float32)),
        Add("s", ("a", "b"), (2, 9, 9)),
    ]
    builder = GraphBuilder(SHAPE)
    for node in nodes:
        builder.node(node)
    assert centred_input(fuse(builder.relu("r").linear("l", 2).build()), pixels(2), 4) is None


def mean_error(graph, network, x):
    return np.square(GoldenModel(network).run(x).logits - run(graph, x)).mean()


def test_pixels_are_centred_and_gain(monkeypatch):
    graph, x = pixel_network(), pixels(64, seed=2)
    network, report = convert(graph, SMALL, calibration=pixels(), time_steps=6)
    assert network.input_padding == (1, 1, 1, 1) and network.coded_shape == (3, 11, 11)
    assert report.input_offset is not None and 100 < report.input_offset[0] <= report.input_offset[1] < 150
    monkeypatch.setattr(convert_module, "_WORTH_OF_SPIKES", np.inf)
    plain, report = convert(graph, SMALL, calibration=pixels(), time_steps=6)
    assert plain.input_offset is None and report.input_offset is None
    assert plain.input_scale.min() > 1.5 * network.input_scale.max()
    assert mean_error(graph, network, x) < mean_error(graph, plain, x) / 1.5


def test_black_backgrounds_are_not_worth_their_spikes():
    x = pixels() * (np.random.default_rng(3).random((64, 1, 9, 9)) < 0.1)
    network, _ = convert(pixel_network(), SMALL, calibration=x.astype(np.float32))
    assert network.input_offset is None and network.input_padding == (0, 0, 0, 0)


@pytest.mark.parametrize(("stride", "padding"), [(1, (1, 1, 1, 1)), (2, (0, 0, 2, 2)), (2, (2, 1, 0, 1))])
def test_machine_equals_golden_model(centred, stride, padding):
    network, _ = convert(pixel_network(stride, padding), SMALL, calibration=pixels(), time_steps=4)
    assert network.input_offset is not None
    check(lower(network, SMALL), list(pixels(3, seed=3)))


def test_an_image_keeps_offset_and_padding(centred, tmp_path: Path):
    network, _ = convert(pixel_network(), SMALL, calibration=pixels(), time_steps=4)
    image.save(lower(network, SMALL), tmp_path / "net")
    again = image.load(tmp_path / "net").network
    np.testing.assert_array_equal(again.input_offset, network.input_offset)
    assert again.input_padding == network.input_padding
    x = pixels(4, seed=3)
    np.testing.assert_array_equal(GoldenModel(again).run(x).integers, GoldenModel(network).run(x).integers)


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("input_offset", np.zeros(2), "input_offset must be 3 finite numbers, not shape (2,)"),
        ("input_padding", (0, -1, 0, 0), "input_padding must not be negative, but is (0, -1, 0, 0)"),
    ],
)
def test_refusals(centred, field, value, sentence):
    network, _ = convert(pixel_network(), SMALL, calibration=pixels(), time_steps=4)
    with pytest.raises(ConversionError) as caught:
        check_network(replace(network, **{field: value}))
    assert str(caught.value) == f"network net: {sentence}"
