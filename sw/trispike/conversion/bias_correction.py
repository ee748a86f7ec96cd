"""Correction of the bias for what rounding and early spikes leave on average (numerics section 5)."""

import numpy as np

from .quantise import round_half_up
from .scales import Neuron, Samples, squared_error

_OFFSETS = (0, *(sign * eighths / 8 for eighths in range(1, 9) for sign in (1, -1)))  #: in last digits; 0 wins ties


def corrected_bias(samples: Samples, neuron: Neuron, theta: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Per channel the initial potential with the least squared error of the decoded `samples`, int64 [C].

    The candidates lie within one last digit (lam / 2^T) of `bias`. A neuron decides with phi > theta / 2, so that it
    rounds toward zero on average, and a ReLU lets only one half of the error through: the best offset is rarely zero.
    """
    last_digit = neuron.scale(theta) / (1 << samples.sums.shape[1]) / neuron.unit
    best_bias, best_error = bias.copy(), np.full(len(bias), np.inf)
    for offset in _OFFSETS:
        candidate = bias + round_half_up(offset * last_digit)
        error = squared_error(neuron.decoded(samples.sums, candidate, theta), samples.wanted)
        better = error < best_error
        np.copyto(best_bias, candidate, where=better)
        np.copyto(best_error, error, where=better)
    return best_bias


def logits_correction(decoded: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """What to add to the real biases of the last layer, float64 [C], so that its error is zero on average.

    `decoded` are the real logits [N, C, H, W] of the spiking network, `wanted` those of the float network.
    """
    return (wanted - decoded).mean(axis=(0, 2, 3), dtype=np.float64)
