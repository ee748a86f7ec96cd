"""Synaptic sums against plain loops, and the bounds that make floating point exact."""

import numpy as np
import pytest
from golden_scalar import scalar_layer

from trispike.errors import ConversionError
from trispike.golden import integrate, sum_abs_weights
from trispike.golden.additions import count_additions, fan_out, spikes_per_pixel
from trispike.golden.synapses import exact_type
from trispike.network import Kind, Layer, Mode, Pool, Segment


def _trains(rng, channels, rows, columns):
    return rng.integers(-1, 2, (2, 3, channels, rows, columns)).astype(np.int8)


def _layer(segments, neurons, pool=None):
    shape = neurons
    if pool is not None:
        sizes = zip(neurons[1:], pool.kernel, pool.stride, strict=True)
        shape = (neurons[0], *((n - k) // s + 1 for n, k, s in sizes))
    empty = np.zeros(neurons[0], np.int64)
    return Layer("layer", segments, neurons, shape, Mode.SIGNED, empty, empty, empty, 0, empty, empty, pool)


def _check(layer, tensors):
    z = integrate(layer.segments, tensors, layer.neurons)
    fan_outs = tuple(fan_out(s, layer, tensors[s.source].shape[-2:]) for s in layer.segments)
    additions = count_additions(
        layer, fan_outs, {name: spikes_per_pixel(trains) for name, trains in tensors.items()}, tensors
    )
    for n in range(len(z)):
        expected, count = scalar_layer(layer, {name: trains[n] for name, trains in tensors.items()})
        assert np.array_equal(z[n], expected)
        assert additions[n] == count


def test_sums_worked_by_hand():
    """One row + 0 -, kernel 2 -3, padding 1 on the left: windows (., +) (+, 0) (0, -) (-, .)."""
    trains = np.array([1, 0, -1], np.int8).reshape(1, 1, 1, 1, 3)
    segment = Segment("a", Kind.BROADCAST, np.array([[[[2, -3]]]]), padding=(0, 1))
    assert integrate((segment,), {"a": trains}, (1, 1, 4)).ravel().tolist() == [-3, 2, 3, -2]


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "dilation", "size"),
    [
        ((1, 1), (1, 1), (0, 0), (1, 1), (5, 6)),
        ((3, 3), (1, 1), (1, 1), (1, 1), (5, 6)),
        ((3, 2), (2, 1), (0, 1), (1, 1), (3, 7)),
        ((2, 3), (1, 2), (2, 1), (2, 3), (6, 2)),
        ((5, 6), (1, 1), (0, 0), (1, 1), (1, 1)),
        ((2, 2), (3, 3), (0, 0), (1, 1), (1, 2)),
    ],
)
def test_windows_agree_with_plain_loops(kind, kernel, stride, padding, dilation, size):
    rng = np.random.default_rng(3)
    leading = (4, 3) if kind is Kind.BROADCAST else (3,)
    weights = rng.integers(-128, 128, (*leading, *kernel)).astype(np.int8)
    layer = _layer((Segment("a", kind, weights, stride, padding, dilation),), (leading[0], *size))
    _check(layer, {"a": _trains(rng, 3, 5, 6)})


def test_segments_add_up():
    rng = np.random.default_rng(4)
    segments = (
        Segment("a", Kind.BROADCAST, rng.integers(-9, 10, (2, 3, 3, 3)), padding=(1, 1)),
        Segment("b", Kind.LANEWISE, rng.integers(-999, 1000, (2, 1, 1))),
        Segment("b", Kind.LANEWISE, rng.integers(-999, 1000, (2, 1, 1))),
        Segment("c", Kind.BROADCAST, rng.integers(-9, 10, (2, 5, 1, 1)), stride=(2, 2)),
    )
    _check(
        _layer(segments, (2, 4, 4)),
        {"a": _trains(rng, 3, 4, 4), "b": _trains(rng, 2, 4, 4), "c": _trains(rng, 5, 8, 8)},
    )


@pytest.mark.parametrize(("kernel", "stride"), [((2, 2), (2, 2)), ((3, 2), (1, 1)), ((2, 2), (3, 3)), ((1, 1), (2, 2))])
def test_additions_under_pooling_count_every_window_and_no_neuron_outside(kernel, stride):
    rng = np.random.default_rng(6)
    segment = Segment("a", Kind.BROADCAST, rng.integers(-9, 10, (4, 2, 3, 3)), padding=(1, 1))
    layer, tensors = _layer((segment,), (4, 5, 6), Pool(kernel, stride)), {"a": _trains(rng, 2, 5, 6)}
    fan_outs = (fan_out(segment, layer, (5, 6)),)
    counted = count_additions(
        layer, fan_outs, {name: spikes_per_pixel(trains) for name, trains in tensors.items()}, tensors
    )
    for n in range(2):
        assert counted[n] == scalar_layer(layer, {"a": tensors["a"][n]})[1]


def test_weights_that_need_doubles_are_summed_exactly():
    """Sums of odd numbers near 2^25: float32 would lose the last bit."""
    weights = np.array([2**25 + 1, 2, -3]).reshape(1, 3, 1, 1)
    trains = np.array([1, -1, 1], np.int8).reshape(1, 1, 3, 1, 1)
    assert integrate((Segment("a", Kind.BROADCAST, weights),), {"a": trains}, (1, 1, 1)).item() == 2**25 - 4


def test_the_sum_of_magnitudes_is_not_fooled_by_the_narrowest_weight():
    weights = np.array([-128, 127], np.int8).reshape(1, 2, 1, 1)
    lanes = np.array([[[-128]]], np.int8)
    segments = (Segment("a", Kind.BROADCAST, weights), Segment("b", Kind.LANEWISE, lanes))
    assert sum_abs_weights(segments, 1).tolist() == [383]


@pytest.mark.parametrize(
    ("largest", "kind"), [(2**24 - 1, np.float32), (2**24, np.float64), (2**53 - 1, np.float64), (0, np.float32)]
)
def test_the_bound_chooses_the_type(largest, kind):
    assert exact_type(np.array([0, largest])) is kind


def test_sums_beyond_doubles_are_refused():
    with pytest.raises(ConversionError) as caught:
        exact_type(np.array([2**53]))
    assert str(caught.value) == (
        "the weights of one neuron sum to 9007199254740992, but the golden model is exact below 2**53 only; "
        "choose a larger unit"
    )


def test_weights_that_are_no_integers_are_refused():
    with pytest.raises(ConversionError) as caught:
        sum_abs_weights((Segment("a", Kind.LANEWISE, np.ones((1, 1, 1))),), 1)
    assert str(caught.value) == "the weights on a must be integers, not float64; quantise them first"


def test_weights_beyond_32_bits_are_refused():
    with pytest.raises(ConversionError) as caught:
        sum_abs_weights((Segment("a", Kind.LANEWISE, np.full((1, 1, 1), -(2**31))),), 1)
    assert str(caught.value) == "the weights on a must stay below 2**31, not reach 2147483648; choose a larger unit"
