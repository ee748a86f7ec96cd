"""Networks that the numerics do not define are refused, each with its own sentence."""

from dataclasses import replace

import numpy as np
import pytest

from trispike.errors import ConversionError
from trispike.golden import GoldenModel
from trispike.network import INPUT, Kind, Layer, Mode, Network, Pool, Segment


def _network(steps=4, **changes) -> Network:
    """conv (pooled), then head; `changes` are fields of the convolution."""
    pair, none = np.array([9, 9]), np.zeros(2, np.int64)
    conv = Layer(
        "conv",
        (Segment(INPUT, Kind.BROADCAST, np.ones((2, 3, 1, 1), np.int8)),),
        (2, 4, 4),
        (2, 2, 2),
        Mode.RELU,
        none,
        pair,
        pair - 3,
        1,
        np.ones(2),
        np.ones(2),
        Pool((2, 2), (2, 2)),
    )
    head = Layer(
        "head",
        (Segment("conv", Kind.BROADCAST, np.ones((2, 2, 2, 2), np.int8)),),
        (2, 1, 1),
        (2, 1, 1),
        Mode.LOGITS,
        none,
        none,
        none,
        0,
        np.ones(2),
        np.ones(2),
    )
    return Network("net", steps, (3, 4, 4), np.ones(3), (replace(conv, **changes), head))


def _segment(**changes):
    return (replace(_network().layers[0].segments[0], **changes),)


def test_a_consistent_network_is_taken():
    GoldenModel(_network())


@pytest.mark.parametrize(
    ("network", "sentence"),
    [
        (_network(steps=17), "network net: time_steps must lie in 1..16, not 17"),
        (
            _network(mode=Mode.LOGITS),
            "layer conv: mode logits belongs to the last layer and to no other, but the inner layer has mode logits",
        ),
        (
            replace(_network(), layers=_network().layers[:1]),
            "layer conv: mode logits belongs to the last layer and to no other, but the last layer has mode relu",
        ),
        (_network(silent=5), "layer conv: silent must lie in 0..4 in mode relu, not 5"),
        (_network(mode=Mode.PASS), "layer conv: silent must lie in 0..0 in mode pass, not 1"),
        (
            _network(bias=np.zeros(2)),
            "layer conv: bias must be 2 integers, not float64 of shape (2,)",
        ),
        (
            _network(theta=np.array([5])),
            "layer conv: theta must be 2 integers, not int64 of shape (1,)",
        ),
        (_network(phi=np.array([3, 0])), "layer conv: theta and phi must be at least 1, not 9 and 0"),
        (
            _network(shape=(2, 4, 4)),
            "layer conv: the output shape must be (2, 2, 2), as neurons and pooling give, not (2, 4, 4)",
        ),
        (
            _network(shape=(2, 0, 0), pool=Pool((5, 5), (1, 1))),
            "layer conv: the pooling window (5, 5) must fit into the map of 4 x 4",
        ),
        (
            _network(segments=_segment(source="ghost")),
            "layer conv: source ghost is not computed before it; known tensors are input",
        ),
        (
            _network(segments=_segment(weights=np.ones((2, 4, 1, 1), np.int8))),
            "layer conv: broadcast weights from 3 to 2 channels cannot have shape (2, 4, 1, 1)",
        ),
        (
            _network(segments=_segment(kind=Kind.LANEWISE, weights=np.ones((2, 1, 1), np.int8))),
            "layer conv: lanewise weights from 3 to 2 channels cannot have shape (2, 1, 1)",
        ),
        (_network(name=INPUT), "layer input: the name is taken by another tensor; choose a different one"),
    ],
)
def test_inconsistent_networks_are_refused(network, sentence):
    with pytest.raises(ConversionError) as caught:
        GoldenModel(network)
    assert str(caught.value) == sentence


def test_logits_have_one_pixel():
    network = _network()
    wide = replace(network.layers[1], neurons=(2, 2, 1), shape=(2, 2, 1))
    with pytest.raises(ConversionError) as caught:
        GoldenModel(replace(network, layers=(network.layers[0], wide)))
    assert str(caught.value) == "layer head: logits must have 1 x 1 pixels, not 2 x 1"
