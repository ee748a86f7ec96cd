import numpy as np
import pytest
from float_networks import GraphBuilder

from trispike.conversion.canonical import canonical
from trispike.conversion.fuse import fuse
from trispike.errors import ConversionError
from trispike.network import INPUT, Kind, Mode, Pool

SHAPE = (2, 9, 9)


def plan(builder):
    return fuse(canonical(builder.build()))


def summary(builder):
    return [(layer.name, layer.tensor, layer.mode, layer.pool) for layer in plan(builder).layers]


def test_convolution_takes_relu_and_pooling():
    found = plan(GraphBuilder(SHAPE).conv("c").relu("r", 6.0).max_pool("p", 2, 2).linear("l", 3))
    first, last = found.layers
    assert (first.name, first.tensor, first.mode, first.upper) == ("c", "p", Mode.RELU, 6.0)
    assert (first.pool, first.neurons, first.shape) == (Pool((2, 2), (2, 2)), (4, 7, 7), (4, 3, 3))
    assert (last.name, last.mode, last.segments[0].source) == ("l", Mode.LOGITS, "c")
    assert not found.output_relu and found.output_upper is None


def test_convolution_without_relu_is_signed():
    assert summary(GraphBuilder(SHAPE).conv("c").conv("d").relu("r").linear("l", 3)) == [
        ("c", "c", Mode.SIGNED, None),
        ("d", "r", Mode.RELU, None),
        ("l", "l", Mode.LOGITS, None),
    ]


def test_relu_at_the_output_is_noted():
    found = plan(GraphBuilder(SHAPE).conv("c").relu("r").linear("l", 3).relu("out", 4.0))
    assert (found.output_relu, found.output_upper) == (True, 4.0)
    assert (found.layers[-1].tensor, found.layers[-1].mode) == ("l", Mode.LOGITS)


def test_overlapping_pooling_copies_trains():
    assert summary(GraphBuilder(SHAPE).conv("c").relu("r").max_pool("p", 3, 2).linear("l", 3))[1] == (
        "p",
        "p",
        Mode.PASS,
        Pool((3, 3), (2, 2)),
    )


def test_padded_pooling_of_relus_copies_into_a_larger_map():
    builder = GraphBuilder(SHAPE).conv("c").relu("r").max_pool("p", 3, 2, padding=(1, 1, 1, 1)).linear("l", 3)
    layer = plan(builder).layers[1]
    assert (layer.neurons, layer.shape, layer.segments[0].padding) == ((4, 9, 9), (4, 4, 4), (1, 1))
    assert layer.segments[0].kind is Kind.LANEWISE


@pytest.mark.parametrize(("relu", "mode"), [(True, Mode.RELU), (False, Mode.SIGNED)])
def test_average_is_lanewise(relu, mode):
    builder = GraphBuilder(SHAPE).conv("c")
    layer = plan((builder.relu("r") if relu else builder).average_pool("a", 2, 2).linear("l", 3)).layers[1]
    assert (layer.name, layer.mode, layer.segments[0].kind) == ("a", mode, Kind.LANEWISE)
    np.testing.assert_array_equal(layer.segments[0].weights, np.full((4, 2, 2), 0.25))


def test_average_as_output_gives_logits_and_shares_scales():
    builder = GraphBuilder(SHAPE).conv("c").relu("r").max_pool("p", 3, 1).average_pool("a", 5, 5)
    found = plan(builder)
    assert [(layer.name, layer.mode, layer.shared_scale) for layer in found.layers] == [
        ("c", Mode.RELU, True),
        ("p", Mode.PASS, True),
        ("a", Mode.LOGITS, False),
    ]
    assert not found.shared_input_scale
    assert plan(GraphBuilder(SHAPE).average_pool("a", 9, 9)).shared_input_scale


def test_max_pooling_as_output_gets_an_identity_behind_it():
    found = plan(GraphBuilder(SHAPE).conv("c").relu("r").max_pool("p", 7, 7))
    assert [(layer.name, layer.mode, layer.shared_scale) for layer in found.layers] == [
        ("c", Mode.RELU, True),
        ("p_logits", Mode.LOGITS, False),
    ]


def test_relu_of_the_input_is_a_layer():
    layer = plan(GraphBuilder(SHAPE).relu("r").linear("l", 3)).layers[0]
    assert (layer.name, layer.mode, layer.segments[0].source) == ("r", Mode.RELU, INPUT)


@pytest.mark.parametrize(
    ("builder", "sentence"),
    [
        (
            GraphBuilder(SHAPE).conv("c").max_pool("p", 2, 2, padding=(1, 1, 0, 0)).linear("l", 3),
            "node p: a max pooling with padding (1, 1, 0, 0) needs an input that is never negative; "
            "put a ReLU before it or remove the padding",
        ),
        (
            GraphBuilder(SHAPE).conv("c").relu("r"),
            "the output r has shape (4, 7, 7), but a network must end in one value per class, shape (classes, 1, 1); "
            "add a global average or a linear layer",
        ),
    ],
)
def test_refusals(builder, sentence):
    with pytest.raises(ConversionError) as caught:
        plan(builder)
    assert str(caught.value) == sentence
