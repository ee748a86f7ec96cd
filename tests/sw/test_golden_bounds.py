"""Bounds on potentials: never exceeded, and close to what an adversary reaches."""

import numpy as np
import pytest
from golden_scalar import scalar_tsa
from hypothesis import given, settings
from hypothesis import strategies as st

from trispike.golden import potential_bound, tsa
from trispike.network import Mode


def _bound(reach, bias, theta, phi, steps, silent, mode):
    return potential_bound(*(np.array([v]) for v in (reach, bias, theta, phi)), steps, silent, mode).item()


def _worst(reach, bias, theta, phi, steps, silent, mode):
    """Largest |V| over every possible sequence of sums: all states (V, fired) are followed, step by step."""
    states, peak = {(bias, mode is Mode.SIGNED)}, abs(bias)
    for t in range(steps + silent):
        sums = range(-reach, reach + 1) if t < steps else [0]
        states = {(2 * v + z, fired) for v, fired in states for z in sums}
        peak = max(peak, max(abs(v) for v, _ in states))
        if t < silent:
            continue
        after = set()
        for v, fired in states:
            if v >= phi:
                after.add((v - theta, True))
            elif v <= -phi and fired:
                after.add((v + theta, True))
            else:
                after.add((v, fired))
        states = after
        peak = max(peak, max(abs(v) for v, _ in states))
    return peak


def test_silent_charge_worked_by_hand():
    """T 2, s 2, reach 3, b 1, theta 4. V: 5, 13, silent; 26 fires, 22; 44 fires, 40. Downwards 20 at most."""
    assert _bound(3, 1, 4, 3, 2, 2, Mode.RELU) == 44


def test_held_back_charge_counts():
    """T 3, s 0, reach 1, b -1, theta 2, phi 1: V falls to -3, -7, -15 and never fires; signed gives it back: -3, -1."""
    assert _bound(1, -1, 2, 1, 3, 0, Mode.RELU) == 15
    assert _bound(1, -1, 2, 1, 3, 0, Mode.SIGNED) == 3


def test_logits_and_pass_worked_by_hand():
    assert _bound(5, -2, 0, 0, 3, 0, Mode.LOGITS) == 2 * 8 + 5 * 7
    assert _bound(5, -2, 0, 0, 3, 0, Mode.PASS) == 5


def test_a_threshold_that_is_never_reached_costs_nothing():
    assert _bound(0, 0, 1000, 600, 8, 8, Mode.SIGNED) == 0


def test_bounds_beyond_64_bits_are_exact_integers():
    assert _bound(0, 1, 2, 2**200, 16, 16, Mode.RELU) == 2**32
    assert _bound(2**62, 0, 0, 0, 16, 0, Mode.LOGITS) == 2**62 * (2**16 - 1)


def test_channels_do_not_mix():
    constants = ([3, 0, 1], [1, 0, -1], [4, 9, 2], [3, 5, 1])
    together = potential_bound(*(np.array(c) for c in constants), 3, 1, Mode.RELU)
    assert together.tolist() == [_bound(*row, 3, 1, Mode.RELU) for row in zip(*constants, strict=True)]


_cases = st.tuples(
    st.integers(0, 12),
    st.integers(-12, 12),
    st.integers(1, 30),
    st.integers(1, 40),
    st.integers(1, 4),
    st.integers(0, 4),
    st.sampled_from([Mode.RELU, Mode.SIGNED]),
).filter(lambda case: case[5] <= case[4])


@settings(derandomize=True, deadline=None, max_examples=250)
@given(case=_cases)
def test_the_bound_holds_and_is_within_twice_the_worst_case(case):
    worst, bound = _worst(*case), _bound(*case)
    assert worst <= bound <= 2 * worst


@settings(derandomize=True, deadline=None, max_examples=200)
@given(
    reach=st.integers(0, 5000),
    bias=st.integers(-5000, 5000),
    theta=st.integers(2, 5000),
    tau=st.floats(0.5, 1.0),
    steps=st.integers(1, 16),
    silent=st.integers(0, 16),
    mode=st.sampled_from([Mode.RELU, Mode.SIGNED]),
    seed=st.integers(0, 2**32 - 1),
)
def test_extreme_and_random_sums_stay_inside(reach, bias, theta, tau, steps, silent, mode, seed):
    phi, silent = max(1, round(tau * theta)), min(silent, steps)
    limit = _bound(reach, bias, theta, phi, steps, silent, mode)
    rng = np.random.default_rng(seed)
    extremes = rng.choice([-reach, reach], (20, steps))
    extremes[0], extremes[1] = reach, -reach
    for z in [*extremes.tolist(), *rng.integers(-reach, reach + 1, (20, steps)).tolist()]:
        assert scalar_tsa(z, bias, theta, phi, silent, mode)[2] <= limit


def test_the_neurons_of_the_model_stay_inside():
    rng = np.random.default_rng(8)
    reach, bias, theta = rng.integers(0, 300, 16), rng.integers(-200, 200, 16), rng.integers(2, 900, 16)
    phi = np.maximum(1, np.rint(2 / 3 * theta)).astype(np.int64)
    z = rng.integers(-1, 2, (50, 8, 16, 1, 1)) * reach[:, None, None]
    for mode in (Mode.RELU, Mode.SIGNED):
        peaks = []
        tsa(z, bias, theta, phi, 2, mode, observe=lambda v, peaks=peaks: peaks.append(np.abs(v).max(axis=(0, 2, 3))))
        assert (np.max(peaks, axis=0) <= potential_bound(reach, bias, theta, phi, 8, 2, mode)).all()


@pytest.mark.parametrize("mode", [Mode.RELU, Mode.SIGNED])
def test_ordinary_layers_need_few_bits(mode):
    """A 3x3 layer of 16 channels at T = 8, s = 1 with theta of a typical size fits 24 bits with room to spare."""
    assert _bound(144 * 40, 100, 3000, 2000, 8, 1, mode) < 2**23
