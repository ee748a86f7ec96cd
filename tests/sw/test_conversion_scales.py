import numpy as np
import pytest

from trispike.conversion.bias_correction import corrected_bias
from trispike.conversion.scales import Neuron, Samples, choose_theta, input_scale, live_peaks, squared_error
from trispike.network import Mode

T = 6


def samples(outliers=0, pooled=False, seed=0):
    """Two channels of random sums of a signed code, and the values that a perfect ReLU would give (u = 1/1000)."""
    random = np.random.default_rng(seed)
    size = (2, 2) if pooled else (1, 1)
    sums = random.integers(-1200, 1201, (600, T, 2, *size))
    sums[: 600 - outliers] //= 4
    real = (sums * (1 << np.arange(T)[::-1])[:, None, None, None]).sum(axis=1) / (1 << T) / 1000
    return Samples(sums, np.maximum(real, 0).max(axis=(2, 3)))


def neuron(silent):
    return Neuron(silent, 2 / 3, Mode.RELU, np.full(2, 0.001))


@pytest.mark.parametrize("silent", [1, T])
@pytest.mark.parametrize("pooled", [False, True])
@pytest.mark.parametrize("outliers", [0, 12])
def test_theta_is_nearly_the_best_of_all(silent, pooled, outliers):
    found, fire, nothing = samples(outliers, pooled), neuron(silent), np.zeros(2, np.int64)
    peak, limit = found.wanted.max(axis=0), np.full(2, 1 << 20)

    def error(theta):
        return squared_error(fire.decoded(found.sums, nothing, theta), found.wanted)

    theta = choose_theta(found, fire, nothing, peak, limit)
    largest = int(4 * peak.max() * 1000 * (1 << silent))
    best = np.min([error(np.full(2, t)) for t in np.geomspace(2, largest, 150).astype(int)], axis=0)
    assert np.all(error(theta) <= 1.1 * best)


def test_theta_keeps_its_limits():
    found, nothing = samples(), np.zeros(2, np.int64)
    peak = found.wanted.max(axis=0)
    theta = choose_theta(found, neuron(1), nothing, peak, np.array([200, 1 << 20]))
    assert theta[0] <= 200 < theta[1]
    assert np.all(choose_theta(found, neuron(1), nothing, peak / 1e6, np.full(2, 9)) == 2)


def test_bias_correction_never_hurts_and_removes_the_mean():
    found, fire, nothing = samples(), neuron(T), np.zeros(2, np.int64)
    theta = choose_theta(found, fire, nothing, found.wanted.max(axis=0), np.full(2, 1 << 20))
    last_digit = int(theta[0]) >> 2 * T
    assert last_digit >= 3
    shifted = nothing + 2
    bias = corrected_bias(found, fire, theta, shifted)
    before, after = (fire.decoded(found.sums, b, theta) - found.wanted for b in (shifted, bias))
    assert np.all(np.square(after).mean(axis=0) < np.square(before).mean(axis=0))
    assert np.all(np.abs(after.mean(axis=0)) < np.abs(before.mean(axis=0)) / 2)


def test_thresholds_round_halves_upward():
    half = Neuron(1, 0.5, Mode.RELU, np.ones(1))
    np.testing.assert_array_equal(half.threshold(np.array([2, 3, 4, 5])), [1, 2, 2, 3])


def test_input_of_bytes_is_exact():
    x = (np.arange(256, dtype=np.float32) / 255).reshape(4, 1, 8, 8)
    scale = input_scale(x, 8, shared=False)
    np.testing.assert_allclose(scale, 256 / 255, rtol=1e-6)


def test_input_on_any_grid_is_exact_where_it_fits():
    x = (0.3 * (np.arange(-200, 56) + 7)).astype(np.float32).reshape(4, 1, 8, 8)
    np.testing.assert_allclose(input_scale(x, 8, shared=False), 0.3 * 256, rtol=1e-5)
    assert input_scale(x, 6, shared=False) > 0.25 * 193 * 0.3
    assert input_scale(x + np.float32(0.1), 8, shared=False) != input_scale(x, 8, shared=False)


def test_input_scale_ignores_a_rare_outlier():
    x = np.random.default_rng(0).standard_normal((40, 2, 16, 16)).astype(np.float32)
    x[0, 0, 0, 0] = 9.0
    own, shared = (input_scale(x, 4, shared=s) for s in (False, True))
    assert own[0] < 5 and shared[0] == shared[1]


def test_dead_channels_get_safe_peaks():
    x = np.zeros((2, 4, 3, 3))
    x[0, :3, 1, 1] = 8.0, 4.0, 1e-9
    np.testing.assert_array_equal(live_peaks(x), [8, 4, 8 / 256, 4])
    np.testing.assert_array_equal(live_peaks(np.zeros((2, 3, 1, 1))), [1, 1, 1])
