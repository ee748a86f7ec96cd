"""Encoding: numbers worked by hand, exactness over whole ranges, rounding and refusals."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trispike.errors import InputError
from trispike.golden import decode, digits_of, encode, value_of


def _encode(values, steps, scale=1.0):
    x = np.array(values).reshape(1, 1, 1, -1)
    integers, clipped = encode(x, np.array([scale]), steps)
    return integers.ravel().tolist(), clipped


def _digits(integers, steps):
    return digits_of(np.array(integers).reshape(1, 1, 1, -1), steps)[0, :, 0, 0].T.tolist()


def test_digits_worked_by_hand():
    """T = 3: theta = 8, phi = round(16 / 3) = 5.

    A = 3: V = 6 fires, -2; V = -4 does not; V = -8 fires: 4 - 1. A = 7: V = 14 fires, 6; 12 fires, 4; 8 fires.
    A = -1: V = -2; V = -4; V = -8 fires. A = 5: V = 10 fires, 2; 4 does not; 8 fires. A = 2: V = 4 does not; 8 fires.
    """
    assert _digits([3, 7, -1, 5, 2, 0], 3) == [[1, 0, -1], [1, 1, 1], [0, 0, -1], [1, 0, 1], [0, 1, 0], [0, 0, 0]]


def test_ties_round_away_from_zero():
    assert _encode([0.5, -0.5, 1.5, 2.5, -2.5, 0.49999997, -0.0], 4, scale=16.0) == ([1, -1, 2, 3, -3, 0, 0], 0)


def test_largest_float_below_a_tie_is_not_rounded_up():
    assert _encode(np.array([np.nextafter(0.5, 0.0)]), 4, scale=16.0) == ([0], 0)


def test_clipped_values_are_limited_and_counted():
    assert _encode([1.0, -1.0, 5.0, 15.4 / 16, 15.5 / 16, 0.0], 4) == ([15, -15, 15, 15, 15, 0], 4)


def test_scale_is_per_channel():
    x = np.array([1.0, 1.0]).reshape(1, 2, 1, 1)
    assert encode(x, np.array([2.0, 4.0]), 3)[0].ravel().tolist() == [4, 2]


def test_bytes_are_encoded_like_the_numbers_they_are():
    x = np.arange(256, dtype=np.uint8).reshape(1, 1, 16, 16)
    integers, clipped = encode(x, np.array([256.0]), 8)
    assert integers.ravel().tolist() == list(range(256))
    assert clipped == 0


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused(bad):
    with pytest.raises(InputError) as caught:
        _encode([0.0, bad], 4)
    assert str(caught.value) == (
        "the network input must be finite, but holds 1 NaN or infinite values; check the preprocessing"
    )


def test_integers_beyond_the_code_are_refused():
    with pytest.raises(ValueError, match=r"^trains of 3 steps hold -7\.\.7, not 8$"):
        digits_of(np.array([-8]).reshape(1, 1, 1, 1), 3)


@pytest.mark.parametrize("steps", range(1, 13))
def test_every_integer_is_coded_exactly_and_canonically_where_promised(steps):
    integers = np.arange(1 - 2**steps, 2**steps)
    trains = digits_of(integers.reshape(1, 1, 1, -1), steps)
    assert trains.dtype == np.int8
    assert np.array_equal(value_of(trains).ravel(), integers)
    promised = 3 * np.abs(integers) <= 2 ** (steps + 1)
    digits = trains[0, :, 0, 0]
    neighbours = (digits[1:] != 0) & (digits[:-1] != 0)
    assert not neighbours[:, promised].any()
    assert steps < 2 or neighbours[:, ~promised].any()


@settings(derandomize=True, deadline=None, max_examples=200)
@given(
    x=st.floats(-2, 2, width=32),
    scale=st.floats(1 / 64, 4, width=32),
    steps=st.integers(1, 16),
)
def test_code_is_the_nearest_integer(x, scale, steps):
    (integer,), clipped = _encode(np.array([x], np.float32), steps, scale)
    exact = Fraction(x) * 2**steps / Fraction(scale)
    limit = 2**steps - 1
    slack = Fraction(1, 2) + abs(exact) * Fraction(1, 2**52)  # the quotient itself is a rounded double
    if clipped:
        assert abs(integer) == limit
        assert abs(exact) + slack >= limit + 1
    else:
        assert abs(integer - exact) <= slack


def test_decoding_gives_the_real_value():
    trains = digits_of(np.array([3, -6]).reshape(1, 2, 1, 1), 3)
    assert decode(trains, np.array([1.0, 0.5])).ravel().tolist() == [3 / 8, -6 / 16]
