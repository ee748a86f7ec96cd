"""The float reference against plain loops over pixels, and its refusals."""

import numpy as np
import pytest

from trispike import float_reference
from trispike.errors import InputError
from trispike.graph import Add, AveragePool, Conv, Graph, MaxPool, Relu
from trispike.network import INPUT

RNG = np.random.default_rng(7)


def _values(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


def _loops(node, x):
    """One output map by loops: reads each window pixel by pixel, padding left out."""
    outputs, height, width = node.shape
    result = np.zeros(node.shape)
    kernel = node.weights.shape[2:] if isinstance(node, Conv) else node.kernel
    dilation = node.dilation if isinstance(node, Conv) else (1, 1)
    for o, y, xx in np.ndindex(outputs, height, width):
        window = {}
        for ky, kx in np.ndindex(*kernel):
            row = y * node.stride[0] - node.padding[0] + ky * dilation[0]
            column = xx * node.stride[1] - node.padding[1] + kx * dilation[1]
            if 0 <= row < x.shape[1] and 0 <= column < x.shape[2]:
                window[ky, kx] = x[:, row, column]
        if isinstance(node, Conv):
            share, inputs = outputs // node.groups, node.weights.shape[1]
            first = o // share * inputs
            total = sum(node.weights[o, :, k[0], k[1]] @ v[first : first + inputs] for k, v in window.items())
            result[o, y, xx] = total + node.bias[o]
        elif isinstance(node, MaxPool):
            result[o, y, xx] = max(v[o] for v in window.values())
        else:
            count = kernel[0] * kernel[1] if node.count_padding else len(window)
            result[o, y, xx] = sum(v[o] for v in window.values()) / count
    return result


CONVS = [
    Conv("c", (INPUT,), (4, 7, 6), _values(4, 6, 3, 3), _values(4), padding=(1, 1, 1, 1)),
    Conv("c", (INPUT,), (4, 4, 2), _values(4, 6, 3, 2), _values(4), stride=(2, 3), padding=(0, 0, 2, 1)),
    Conv("c", (INPUT,), (4, 3, 4), _values(4, 6, 3, 2), _values(4), dilation=(2, 2)),
    Conv("c", (INPUT,), (4, 7, 6), _values(4, 3, 1, 1), _values(4), groups=2),
    Conv("c", (INPUT,), (6, 5, 4), _values(6, 1, 3, 3), _values(6), groups=6),
    Conv("c", (INPUT,), (3, 1, 1), _values(3, 6, 7, 6), _values(3)),
]
POOLS = [
    MaxPool("p", (INPUT,), (6, 3, 3), (2, 2), (2, 2)),
    MaxPool("p", (INPUT,), (6, 4, 3), (3, 3), (2, 2), padding=(1, 1, 1, 1)),
    AveragePool("p", (INPUT,), (6, 3, 3), (2, 2), (2, 2)),
    AveragePool("p", (INPUT,), (6, 4, 3), (3, 3), (2, 2), padding=(1, 1, 1, 0)),
    AveragePool("p", (INPUT,), (6, 4, 3), (3, 3), (2, 2), padding=(1, 1, 1, 0), count_padding=True),
]


@pytest.mark.parametrize("node", CONVS + POOLS)
def test_window_operators_equal_loops(node):
    x = _values(2, 6, 7, 6)
    found = float_reference.evaluate(node, [x])
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, [_loops(node, image) for image in x], atol=1e-4)


def _network():
    return Graph(
        "net",
        (2, 4, 4),
        (
            Conv("a", (INPUT,), (3, 4, 4), _values(3, 2, 3, 3), _values(3), padding=(1, 1, 1, 1)),
            Relu("r", ("a",), (3, 4, 4), upper=0.5),
            Add("s", ("r", "a"), (3, 4, 4)),
            Conv("out", ("s",), (5, 1, 1), _values(5, 3, 4, 4), _values(5)),
        ),
    )


def test_keep_returns_every_output_by_name():
    graph, x = _network(), _values(3, 2, 4, 4)
    logits, outputs = float_reference.run(graph, x, keep=True)
    assert list(outputs) == [INPUT, "a", "r", "s", "out"]
    np.testing.assert_array_equal(outputs["r"], np.clip(outputs["a"], 0, 0.5))
    np.testing.assert_array_equal(outputs["s"], outputs["r"] + outputs["a"])
    np.testing.assert_array_equal(logits, outputs["out"][:, :, 0, 0])
    np.testing.assert_array_equal(logits, float_reference.run(graph, x))


def test_chunks_do_not_change_the_answer(monkeypatch):
    graph, x = _network(), _values(7, 2, 4, 4)
    whole = float_reference.run(graph, x)
    monkeypatch.setattr(float_reference, "_PATCH_VALUES", 700)
    np.testing.assert_allclose(float_reference.run(graph, x), whole, atol=1e-5)


def test_no_images_give_no_logits():
    assert float_reference.run(_network(), np.zeros((0, 2, 4, 4))).shape == (0, 5)


def test_vectors_may_leave_out_height_and_width():
    graph = Graph("mlp", (3, 1, 1), (Conv("f", (INPUT,), (2, 1, 1), _values(2, 3, 1, 1), _values(2)),))
    x = _values(4, 3)
    np.testing.assert_array_equal(float_reference.run(graph, x), float_reference.run(graph, x[:, :, None, None]))


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (
            np.zeros((1, 2, 4, 5)),
            "images for net must have the shape (N, 2, 4, 4), not (1, 2, 4, 5); "
            "preprocess them as the network wants its input",
        ),
        (
            np.zeros((2, 4, 4)),
            "images for net must have the shape (N, 2, 4, 4), not (2, 4, 4); "
            "preprocess them as the network wants its input",
        ),
        (np.zeros((1, 2, 4, 4), bool), "images for net must be real numbers, not bool; store them as float32"),
        (
            np.full((1, 2, 4, 4), np.nan),
            "images for net must be finite, but hold 32 NaN or infinite values; check the preprocessing",
        ),
    ],
)
def test_wrong_input_is_refused(x, message):
    with pytest.raises(InputError) as error:
        float_reference.run(_network(), x)
    assert str(error.value) == message
