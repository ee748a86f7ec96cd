"""Correction of the bias for what rounding and early spikes leave on average (numerics section 5)."""

import numpy as np

from .scales import Neuron, Samples, squared_error

_OFFSETS = np.linspace(-1, 1, 17)  #: in digits of the output, the last one being 1


def corrected_bias(samples: Samples, neuron: Neuron, theta: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """The initial potentials int64 [C] within one last digit of `bias` with the least squared error of `samples`."""
    time_steps = samples.sums.shape[1]
    digit = neuron.scale(theta) / (1 << time_steps) / neuron.unit
    best, best_error = bias, np.full(len(bias), np.inf)
    for offset in sorted(_OFFSETS, key=abs):  # the smallest correction wins ties
        corrected = bias + np.floor(offset * digit + 0.5).astype(np.int64)
        error = squared_error(neuron.decoded(samples.sums, corrected, theta), samples.wanted)
        better = error < best_error
        best, best_error = np.where(better, corrected, best), np.where(better, error, best_error)
    return best
