"""Canonic signed spike coding: real numbers to integers to spike trains and back (numerics sections 1 and 4)."""

import numpy as np

from ..errors import InputError
from ..network import Mode, Network
from .neuron import Neurons


def encode(x: np.ndarray, scale: np.ndarray, time_steps: int) -> tuple[np.ndarray, int]:
    """The integers A nearest to x * 2^T / scale, ties away from zero, and how many had to be clipped.

    `x` is real or integer [N, C, H, W], `scale` is lam > 0, [C]; A is int64 of x's shape, |A| <= 2^T - 1.

    Raises:
        InputError: if a value is not finite.
    """
    real = np.asarray(x, np.float64)
    if not np.isfinite(real).all():
        raise InputError(
            f"the network input must be finite, but holds {np.count_nonzero(~np.isfinite(real))} NaN or infinite "
            f"values; check the preprocessing"
        )
    limit = (1 << time_steps) - 1
    magnitude = np.abs(real * (1 << time_steps) / np.asarray(scale, np.float64)[:, None, None])
    whole = np.floor(magnitude)
    whole += magnitude - whole >= 0.5
    clipped = int(np.count_nonzero(whole > limit))
    return np.copysign(np.minimum(whole, limit), real).astype(np.int64), clipped


def encode_input(network: Network, x: np.ndarray) -> tuple[np.ndarray, int]:
    """The integers of the network input for images `x`, real or integer [N, C, H, W], and how many were clipped.

    They are those of `x` in its padding of zeros and less the offset, int64 [N, C, H', W'].

    Raises:
        InputError: if a value is not finite.
    """
    return encode(shifted(x, network.input_offset, network.input_padding), network.input_scale, network.time_steps)


def shifted(x: np.ndarray, offset: np.ndarray | None, padding: tuple[int, int, int, int]) -> np.ndarray:
    """Images `x` [N, C, H, W] in `padding` zeros (top, left, bottom, right), less `offset` [C] (None: nothing)."""
    top, left, bottom, right = padding
    if any(padding):
        x = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
    return x if offset is None else x - offset[:, None, None]


def digits_of(integers: np.ndarray, time_steps: int) -> np.ndarray:
    """The trains int8 [N, T, C, H, W] of integers [N, C, H, W], |A| <= 2^T - 1, by the recursion of the input encoder.

    Exact for every such A, and canonic (no two neighbouring spikes) for |A| <= 2^(T+1) / 3.

    Raises:
        ValueError: if an integer lies outside the range.
    """
    limit = (1 << time_steps) - 1
    if np.any(np.abs(integers) > limit):
        raise ValueError(f"trains of {time_steps} steps hold -{limit}..{limit}, not {np.max(np.abs(integers))}")
    images, *shape = integers.shape
    trains = np.empty((images, time_steps, *shape), np.int8)
    phi = ((1 << time_steps + 2) + 3) // 6  # round(2^(T+1) / 3)
    neurons = Neurons(integers.astype(np.int64), 1 << time_steps, phi, Mode.SIGNED)
    for t in range(time_steps):
        neurons.integrate(None)
        neurons.fire(trains[:, t])
    return trains


def value_of(trains: np.ndarray) -> np.ndarray:
    """The integers A, int32 [N, C, H, W], of trains [N, T, C, H, W] with T <= 16."""
    value = trains[:, 0].astype(np.int32)
    for t in range(1, trains.shape[1]):
        value += value
        value += trains[:, t]
    return value


def decode(trains: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """The real activations x = scale * A / 2^T, float64 [N, C, H, W], of trains [N, T, C, H, W]; `scale` is [C]."""
    return value_of(trains) * np.asarray(scale, np.float64)[:, None, None] / (1 << trains.shape[1])
