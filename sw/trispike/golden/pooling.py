"""Max pooling of spike trains: per channel the train with the larger value wins (numerics section 4)."""

import numpy as np

from ..network import Pool
from .coding import value_of


def max_pool(trains: np.ndarray, pool: Pool) -> np.ndarray:
    """Of every window the train with the largest A, the first in scan order (rows, then columns) on a tie.

    `trains` is int8 [N, T, C, H, W]; the result is int8 [N, T, C, H', W'] with as many windows as fit wholly.
    """
    values = value_of(trains)
    rows, columns = pooled_size(trains.shape[-2:], pool)
    best, best_value = None, None
    for ky in range(pool.kernel[0]):
        for kx in range(pool.kernel[1]):
            tap = (
                ...,
                slice(ky, ky + (rows - 1) * pool.stride[0] + 1, pool.stride[0]),
                slice(kx, kx + (columns - 1) * pool.stride[1] + 1, pool.stride[1]),
            )
            if best is None or best_value is None:
                best, best_value = trains[tap].copy(order="K"), values[tap].copy(order="K")
                continue
            larger = values[tap] > best_value
            np.copyto(best_value, values[tap], where=larger)
            np.copyto(best, trains[tap], where=larger[:, None])
    assert best is not None, "a pooling kernel has at least one tap"
    return best


def pooled_size(size: tuple[int, ...], pool: Pool) -> tuple[int, int]:
    """Rows and columns of the pooled map of a map with `size` (H, W); 0 where no window fits."""
    rows, columns = (
        max(0, (length - kernel) // stride + 1)
        for length, kernel, stride in zip(size, pool.kernel, pool.stride, strict=True)
    )
    return rows, columns
