"""TSA neurons: numbers worked by hand, a scalar reading, and what numerics promises of them."""

import numpy as np
import pytest
from golden_scalar import scalar_tsa
from hypothesis import given, settings
from hypothesis import strategies as st

from trispike.errors import ConversionError
from trispike.golden import tsa, value_of
from trispike.golden.neuron import logit_integers
from trispike.network import Mode


def _one(z, bias, theta, phi, silent, mode):
    trains = tsa(_sums(z), np.array([bias]), np.array([theta]), np.array([phi]), silent, mode)
    return trains.ravel().tolist()


def _sums(z):
    return np.array(z, np.int64).reshape(1, len(z), 1, 1, 1)


def test_a_run_worked_by_hand():
    """theta 10, phi 7, b 1, s 1, T 3, z 3 4 -2.

    V: 2 + 3 = 5, silent; 10 + 4 = 14 fires, 4; 8 - 2 = 6 does not; 12 fires, 2. Digits + 0 +, A = 5.
    """
    assert _one([3, 4, -2], 1, 10, 7, 1, Mode.RELU) == [1, 0, 1]


def test_relu_holds_negative_spikes_back_until_a_positive_one():
    """theta 4, phi 3, s 0. V: -3 is held back; -6 + 9 = 3 fires, -1; -2 - 2 = -4 fires negatively, 0."""
    assert _one([-3, 9, -2], 0, 4, 3, 0, Mode.RELU) == [0, 1, -1]
    # Signed: -3 fires, 1; 2 + 9 = 11 fires, 7; 14 - 2 = 12 fires.
    assert _one([-3, 9, -2], 0, 4, 3, 0, Mode.SIGNED) == [-1, 1, 1]


def test_a_flag_set_by_a_spike_is_used_from_the_next_step_on():
    """theta 4, phi 2, s 0. V: 2 fires, -2; -4 fires negatively, 0; 0."""
    assert _one([2, 0, 0], 0, 4, 2, 0, Mode.RELU) == [1, -1, 0]


def test_pass_gives_the_sign():
    assert _one([5, 0, -1, 1], 7, 0, 0, 0, Mode.PASS) == [1, 0, -1, 1]


def test_pass_with_silent_steps_is_refused():
    with pytest.raises(ValueError, match=r"^mode PASS has no silent steps, so silent must be 0, not 1$"):
        _one([1, 1], 0, 0, 0, 1, Mode.PASS)


def test_logits_have_no_trains():
    with pytest.raises(ValueError, match=r"^mode LOGITS fires no spikes; sum the steps with logit_integers$"):
        _one([1, 1], 0, 0, 0, 0, Mode.LOGITS)


def test_logit_integers_worked_by_hand():
    assert logit_integers(_sums([3, -1, 5]), np.array([-2])).ravel().tolist() == [3 * 4 - 2 + 5 - 2 * 8]


def test_logit_integers_beyond_32_bits_are_exact():
    assert logit_integers(_sums([2**30, 2**30 + 1]), np.array([3])).item() == 2**31 + 2**30 + 1 + 12


def test_potentials_beyond_64_bits_are_refused():
    with pytest.raises(ConversionError) as caught:
        _one([2**61, 0], 0, 2, 1, 2, Mode.SIGNED)
    assert str(caught.value) == (
        f"a membrane potential may reach {(2**61 + 2) << 4}, but the golden model computes in 64 bits; "
        f"use smaller weights, biases or thresholds, or fewer time steps"
    )


@st.composite
def _layers(draw, modes=(Mode.RELU, Mode.SIGNED)):
    steps = draw(st.integers(1, 16))
    size = draw(st.sampled_from([1, 20, 1000, 2**20]))
    theta = draw(st.integers(2, max(2, 4 * size)))
    return (
        draw(st.lists(st.integers(-size, size), min_size=steps, max_size=steps)),
        draw(st.integers(-size, size)),
        theta,
        draw(st.integers((theta + 1) // 2, theta)),
        draw(st.integers(0, steps)),
        draw(st.sampled_from(modes)),
    )


@settings(derandomize=True, deadline=None, max_examples=300)
@given(case=_layers())
def test_scalar_and_vector_agree(case):
    assert _one(*case) == scalar_tsa(*case)[0]


@settings(derandomize=True, deadline=None, max_examples=200)
@given(case=_layers(modes=(Mode.RELU,)))
def test_relu_trains_never_decode_negative(case):
    digits = _one(*case)
    assert value_of(np.array(digits, np.int8).reshape(1, -1, 1, 1, 1)).item() >= 0


@settings(derandomize=True, deadline=None, max_examples=300)
@given(
    z=st.lists(st.integers(-40, 40), min_size=1, max_size=12),
    bias=st.integers(-20, 20),
    theta=st.integers(2, 4000),
    tau=st.sampled_from([1 / 2, 2 / 3, 0.9]),
    mode=st.sampled_from([Mode.RELU, Mode.SIGNED]),
)
def test_deciding_when_everything_has_arrived_rounds_within_tau(z, bias, theta, tau, mode):
    """s = T: A = S * 2^T / theta exactly; the train misses it by phi / theta at most where the code reaches it."""
    steps, phi = len(z), max(round(tau * theta), (theta + 1) // 2)
    total = logit_integers(_sums(z), np.array([bias])).item()
    if abs(2 * total) > theta + phi:  # beyond the largest train that leaves |V| <= phi
        return
    target = max(total, 0) if mode is Mode.RELU else total
    trains = tsa(_sums(z), np.array([bias]), np.array([theta]), np.array([phi]), steps, mode)
    assert abs(value_of(trains).item() * theta - (target << steps)) <= phi


@pytest.mark.parametrize("mode", [Mode.RELU, Mode.SIGNED])
def test_many_neurons_at_once_keep_their_own_state(mode):
    rng = np.random.default_rng(5)
    z = rng.integers(-60, 61, (3, 6, 4, 2, 5))
    bias, theta = rng.integers(-30, 31, 4), rng.integers(40, 400, 4)
    phi = np.rint(2 / 3 * theta).astype(np.int64)
    trains = tsa(z, bias, theta, phi, 2, mode)
    for n, c, y, x in np.ndindex(3, 4, 2, 5):
        sums = z[n, :, c, y, x].tolist()
        expected = scalar_tsa(sums, int(bias[c]), int(theta[c]), int(phi[c]), 2, mode)[0]
        assert trains[n, :, c, y, x].tolist() == expected
