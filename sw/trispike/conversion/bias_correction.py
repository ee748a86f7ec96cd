"""Correction of the bias for what rounding leaves on average (numerics section 5)."""

import numpy as np

from .scales import Neuron, Samples, squared_error

_OFFSETS = np.linspace(-1, 1, 17)


def corrected_bias(
    samples: Samples, neuron: Neuron, theta: np.ndarray, bias: np.ndarray, how="mse"
) -> np.ndarray:
    T = samples.sums.shape[1]
    lsb = neuron.scale(theta) / (1 << T) / neuron.unit
    if how == "none":
        return bias
    if how == "mean":
        b = bias.copy()
        best, be = b.copy(), np.full(len(b), np.inf)
        for _ in range(4):
            d = neuron.decoded(samples.sums, b, theta)
            err = d - samples.wanted
            m = err.mean(axis=0)
            e = np.abs(m)
            better = e < be
            best = np.where(better, b, best)
            be = np.where(better, e, be)
            act = np.maximum((d != 0).mean(axis=0), 0.1)
            b = b - np.clip(np.floor(m / act / neuron.unit + .5), -2 * lsb, 2 * lsb).astype(np.int64)
        return best
    best, be = bias.copy(), np.full(len(bias), np.inf)
    for k in sorted(_OFFSETS, key=abs):
        b = bias + np.floor(k * lsb + .5).astype(np.int64)
        d = neuron.decoded(samples.sums, b, theta)
        if how == "mse":
            e = squared_error(d, samples.wanted)
        else:
            err = d - samples.wanted
            e = (err**2).mean(axis=0) + float(how) * err.mean(axis=0) ** 2
        better = e < be
        best = np.where(better, b, best)
        be = np.where(better, e, be)
    return best
