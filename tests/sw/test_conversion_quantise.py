"""Integers of a layer and what they ask of the hardware."""

from dataclasses import replace

import numpy as np
import pytest

from trispike.conversion.plan import LayerPlan, RealSegment
from trispike.conversion.quantise import (
    Precision,
    charges,
    demands,
    exact_unit,
    finest_unit,
    integer_bias,
    integer_segments,
    round_half_up,
    synapses_per_weight,
)
from trispike.network import Kind, Layer, Mode, Segment
from trispike_hw.architecture import preset

SMALL = preset("small")
PLAN = LayerPlan(
    name="c",
    tensor="c",
    segments=(
        RealSegment("a", Kind.BROADCAST, np.array([[[[1.0]], [[-3.0]]], [[[0.5]], [[0.25]]]]), padding=(1, 0)),
        RealSegment("b", Kind.LANEWISE, np.array([[[2.0]], [[-4.0]]]), stride=(2, 2)),
    ),
    neurons=(2, 4, 4),
    shape=(2, 4, 4),
    mode=Mode.SIGNED,
    bias=np.array([1.0, -0.6]),
)
SCALES = {"a": np.array([2.0, 0.5]), "b": np.array([1.0, 0.25])}
UNIT = np.array([0.1, 0.2])


def test_halves_round_upward():
    assert round_half_up(np.array([-1.5, -0.5, 0.49, 0.5, 1.5])).tolist() == [-1, 0, 0, 1, 2]


def test_precision_of_an_architecture():
    assert Precision.of(SMALL) == Precision(weight=127, theta=65535)


def test_weights_are_scaled_by_their_sources_and_their_unit():
    np.testing.assert_array_equal(charges(PLAN, SCALES), [[2.0, 1.0], [2.0, 1.0]])
    np.testing.assert_allclose(finest_unit(PLAN, SCALES, SMALL), np.array([2.0, 1.0]) / 127)
    dense, lanes = integer_segments(PLAN, SCALES, UNIT, SMALL)
    assert dense.weights.tolist() == [[[[20]], [[-15]]], [[[5]], [[1]]]]  # 2 / 0.1, -1.5 / 0.1; 1 / 0.2, 0.125 / 0.2
    assert lanes.weights.tolist() == [[[20]], [[-5]]]
    assert (dense.source, dense.kind, dense.padding, lanes.stride) == ("a", Kind.BROADCAST, (1, 0), (2, 2))
    assert integer_bias(PLAN, UNIT).tolist() == [10, -3]
    assert integer_bias(PLAN, UNIT, np.array([0.06, -0.3])).tolist() == [11, -4]  # -4.5 rounds upward


def test_identities_have_the_precision_of_the_weights_beside_them():
    segments = (PLAN.segments[0], RealSegment("b", Kind.LANEWISE, np.array([[[9.0]], [[8.0]]]), splits=True))
    joint = replace(PLAN, segments=segments)
    assert synapses_per_weight(joint, SMALL).tolist() == [1, 7]
    finest = finest_unit(joint, SCALES, SMALL)
    np.testing.assert_allclose(finest, [2 / 127, 1 / 127])  # 9 / 889 and 2 / 889 would do for the identity
    unit = exact_unit(joint, SCALES, finest)
    assert np.all(unit >= finest) and np.all(unit < finest * 1.01)
    dense, *split = integer_segments(joint, SCALES, unit, SMALL)
    assert np.abs(dense.weights).max() <= 127 and [part.source for part in split] == ["b"] * len(split)
    total = sum(part.weights[:, 0, 0] for part in split)
    assert all(np.abs(part.weights).max() <= 127 for part in split) and total[0] == 571
    np.testing.assert_allclose(total * unit, [9.0, 2.0])


def test_identities_alone_are_split_a_little():
    b = RealSegment("b", Kind.LANEWISE, np.ones((2, 1, 1)), splits=True)
    assert synapses_per_weight(replace(PLAN, segments=(b,)), SMALL).tolist() == [1]
    both = replace(PLAN, segments=(b, replace(b, source="a")))
    assert synapses_per_weight(both, SMALL).tolist() == [4, 4]
    np.testing.assert_allclose(finest_unit(both, SCALES, SMALL), np.array([2.0, 0.5]) / 508)


def layer(mode: Mode, bias: int = 3) -> Layer:
    weights = np.array([[[[5]], [[-7]]]])
    fires = mode in (Mode.RELU, Mode.SIGNED)
    return Layer(
        "c", (Segment("a", Kind.BROADCAST, weights),), (1, 1, 1), (1, 1, 1), mode, np.array([bias]),
        np.array([20 if fires else 0]), np.array([13 if fires else 0]), 0, np.ones(1), np.ones(1),
    )  # fmt: skip


def test_demands_are_magnitudes_with_their_limits():
    asked = {demand.what: demand for demand in demands(layer(Mode.LOGITS, -3), SMALL, 4)}
    assert list(asked) == ["the sum of its weights", "its bias", "its membrane potential", "its answer"]
    total, bias, potential, answer = asked.values()
    assert (total.value.tolist(), total.available) == ([12], SMALL.accumulator_bits)
    assert (bias.value.tolist(), bias.available) == ([3], SMALL.bias_bits)
    assert potential.value.tolist() == answer.value.tolist() == [3 * 16 + 12 * 15]  # |S| for any spikes
    assert (potential.available, answer.available) == (SMALL.potential_bits, 32)
    assert len(demands(layer(Mode.SIGNED), SMALL, 4)) == 3


@pytest.mark.parametrize(("value", "bits"), [(0, 1), (1, 2), (127, 8), (128, 9)])
def test_a_demand_counts_the_sign(value, bits):
    narrow = SMALL.model_copy(update={"bias_bits": bits})
    demand = demands(layer(Mode.SIGNED, -value), narrow, 1)[1]
    assert demand.bits(0) == bits
    if value:
        assert demand.excess[0] <= 1
        narrower = SMALL.model_copy(update={"bias_bits": bits - 1})
        assert bits == 2 or demands(layer(Mode.SIGNED, -value), narrower, 1)[1].excess[0] > 1
