"""Averages rewritten for the layers compute what they computed."""

from typing import Any

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from trispike.conversion.averages import TILE, WIDEST, plain_averages
from trispike.float_reference import evaluate
from trispike.graph import AveragePool, Conv
from trispike.network import INPUT

SIZE = st.tuples(st.integers(2, 9), st.integers(2, 9))


def outputs(node: AveragePool, source: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray, list[Any]]:
    """What `node` gives for a random map, what its rewritten form gives, and the nodes of that."""
    x = np.random.default_rng(0).standard_normal((2, *source)).astype(np.float32)
    nodes, values = plain_averages((node,), source), {INPUT: x}
    for part in nodes:
        values[part.name] = evaluate(part, [values[name] for name in part.inputs])
        assert values[part.name].shape[1:] == part.shape
    return evaluate(node, [x]), values[node.name], list(nodes)


@given(
    st.integers(1, 3), SIZE, st.tuples(st.integers(1, 5), st.integers(1, 5)), SIZE, st.tuples(*[st.integers(0, 4)] * 4)
)
@settings(max_examples=150, derandomize=True, deadline=None)
def test_divisors_at_the_border(channels, size, kernel, stride, padding):
    padding = tuple(min(pad, kernel[k % 2] - 1) for k, pad in enumerate(padding))
    shape = [(size[k] + padding[k] + padding[2 + k] - kernel[k]) // stride[k] + 1 for k in (0, 1)]
    assume(min(shape) > 0)
    node = AveragePool("a", (INPUT,), (channels, shape[0], shape[1]), kernel, stride, padding)
    wanted, found, nodes = outputs(node, (channels, *size))
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    assert not any(isinstance(part, AveragePool) and any(part.padding) for part in nodes) or not any(padding)


def test_wide_averages_become_two():
    for size, kernel in (((13, 13), (13, 13)), ((12, 30), (12, 10)), ((11, 14), (11, 14)), ((1, 60), (1, 60))):
        shape = (TILE + 1, size[0] // kernel[0], size[1] // kernel[1])
        wanted, found, (first, second) = outputs(AveragePool("a", (INPUT,), shape, kernel, kernel), (TILE + 1, *size))
        np.testing.assert_allclose(found, wanted, atol=1e-5)
        assert isinstance(first, AveragePool) and isinstance(second, Conv)
        assert max(first.kernel[1], second.weights.shape[3]) <= WIDEST


def test_what_fits_stays():
    narrow = AveragePool("a", (INPUT,), (TILE + 1, 1, 1), (8, 8), (8, 8))
    one_tile = AveragePool("a", (INPUT,), (TILE, 1, 1), (13, 13), (13, 13))
    overlapping = AveragePool("a", (INPUT,), (TILE + 1, 1, 2), (13, 13), (13, 1))
    for node, size in ((narrow, (8, 8)), (one_tile, (13, 13)), (overlapping, (13, 14))):
        assert plain_averages((node,), (node.shape[0], *size)) == (node,)
