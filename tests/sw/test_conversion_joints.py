"""Networks with branches: sums, concatenations, padding and depthwise convolutions, from float to the machine."""

import numpy as np
import pytest
from small_graphs import GRAPHS, images
from test_emulator import check

from trispike.conversion import convert
from trispike.conversion.joints import MOST_SOURCES
from trispike.float_reference import run
from trispike.golden import GoldenModel
from trispike.graph import Conv
from trispike.lowering import lower
from trispike.network import INPUT, Kind, Mode
from trispike_hw.architecture import build, preset

ROOMY = build(preset("base").model_dump() | {"name": "roomy", "weight_rows": 1 << 14, "spike_words": 1 << 16})


def converted(name, **options):
    graph = GRAPHS[name]()
    network, report = convert(graph, ROOMY, calibration=images(graph, 64), **options)
    return graph, network, report


@pytest.mark.parametrize("name", GRAPHS)
def test_answers_are_those_of_the_float_network(name):
    graph, network, _ = converted(name, time_steps=10, silent=4)
    x = images(graph, 64, seed=2)
    wanted = run(graph, x)
    error = GoldenModel(network).run(x).logits - wanted
    assert 10 * np.log10(np.var(wanted) / np.mean(error**2)) > 27


@pytest.mark.parametrize("name", GRAPHS)
def test_machine_computes_what_the_golden_model_computes(name):
    graph, network, _ = converted(name, time_steps=4)
    check(lower(network, ROOMY), list(images(graph, 2, seed=3)))


def test_identity_of_a_sum_is_split_and_exact():
    _, network, _ = converted("identity")
    joint = next(layer for layer in network.layers if layer.name == "add5")
    skips = [segment for segment in joint.segments if segment.source == "conv0"]
    assert [segment.kind for segment in joint.segments].count(Kind.BROADCAST) == 1
    assert len(skips) > 1 and all(segment.kind is Kind.LANEWISE for segment in skips)
    weight = sum(segment.weights[:, 0, 0] for segment in skips)
    assert weight.min() > 127
    lam = next(layer for layer in network.layers if layer.name == "conv0").scale
    np.testing.assert_allclose(weight * joint.unit, lam, rtol=1e-12)


def test_projected_shortcut_adds_no_layer():
    _, network, _ = converted("projected")
    assert [layer.name for layer in network.layers] == ["conv0", "conv2", "add5", "conv7", "add11", "conv14"]
    assert [segment.source for segment in network.layers[4].segments] == ["conv7", "add5"]


def test_padded_shortcut_fills_some_channels_only():
    _, network, _ = converted("padded")
    joint = network.layers[-2]
    skip = sum(segment.weights for segment in joint.segments if segment.stride == (2, 2))
    assert skip.shape == (10, 6, 1, 1) and joint.segments[0].stride == (1, 1)
    assert sorted(zip(*np.nonzero(skip[:, :, 0, 0]), strict=True)) == [(2 + c, c) for c in range(6)]


def test_concatenation_is_no_layer_but_more_segments():
    _, network, _ = converted("fire")
    assert all("concat" not in layer.name for layer in network.layers)
    assert [layer.name for layer in network.layers if layer.mode is Mode.PASS] == ["max9/0", "max9/1"]
    squeeze = next(layer for layer in network.layers if layer.name == "conv10")
    assert [(segment.source, segment.weights.shape) for segment in squeeze.segments] == [
        ("max9/0", (4, 5, 1, 1)), ("max9/1", (4, 7, 1, 1)),
    ]  # fmt: skip


def test_depthwise_is_lanewise_and_groups_are_blocks_of_zeros():
    _, network, _ = converted("separable")
    kinds = [(layer.segments[0].kind, layer.segments[0].weights.shape) for layer in network.layers]
    assert kinds == [
        (Kind.BROADCAST, (8, 1, 3, 3)),
        (Kind.LANEWISE, (8, 3, 3)),
        (Kind.BROADCAST, (12, 8, 1, 1)),
        (Kind.BROADCAST, (24, 12, 3, 3)),
        (Kind.BROADCAST, (8, 24, 3, 3)),
        (Kind.BROADCAST, (5, 8, 5, 4)),
    ]
    twice = np.abs(network.layers[3].segments[0].weights).sum(axis=(2, 3)) > 0
    np.testing.assert_array_equal(twice, np.repeat(np.eye(12, dtype=bool), 2, axis=0))


def test_explicit_padding_is_part_of_the_window():
    _, network, _ = converted("signed_and_padded")
    first, second = network.layers[:2]
    assert (first.segments[0].source, first.segments[0].padding, first.neurons) == (INPUT, (1, 1), (4, 7, 7))
    assert first.mode is Mode.SIGNED and second.segments[0].padding == (1, 1)


def test_channels_are_chosen_without_a_layer():
    graph, network, _ = converted("shuffled")
    convolutions = sum(isinstance(node, Conv) for node in graph.nodes)
    assert len(network.layers) == convolutions + 1  # the depthwise one moves before shuffle and joint: there are two
    assert [segment.kind for layer in network.layers[-4:-2] for segment in layer.segments] == [
        Kind.BROADCAST,
        Kind.BROADCAST,
        Kind.LANEWISE,
    ]


def test_many_sources_are_copied_together():
    _, network, _ = converted("dense")
    copies = [layer for layer in network.layers if layer.mode is Mode.PASS]
    assert [len(copy.segments) for copy in copies] == [MOST_SOURCES]
    assert max(len(layer.segments) for layer in network.layers) <= ROOMY.max_segments
