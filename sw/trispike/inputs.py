"""The one check that images pass before anything is computed from them."""

import numpy as np
from numpy.typing import DTypeLike

from .errors import InputError


def checked_images(
    x: np.ndarray, shape: tuple[int, int, int] | None, name: str, *, dtype: DTypeLike | None = None, fewest: int = 1
) -> np.ndarray:
    """Images `x`, real or integer [N, C, H, W] with N >= `fewest`, as `dtype` (None: as they are).

    Vectors [N, C] are images of one pixel: they become [N, C, 1, 1]. `shape` is (C, H, W) of the network, None where no
    network is known yet. `name` is what messages call the images, a plural.

    Raises:
        InputError: if their type or shape is another, or a value is not finite (as `dtype`).
    """
    if x.dtype.kind not in "fiu":
        raise InputError(f"{name} must be real numbers, not {x.dtype}; store them as float32")
    if x.ndim == 2 and (shape is None or shape[1:] == (1, 1)):
        x = x[:, :, None, None]
    if x.ndim != 4 or len(x) < fewest or 0 in x.shape[1:] or (shape is not None and x.shape[1:] != shape):
        wanted = ", ".join(map(str, ("N", *(shape or "CHW"))))
        count = f" with N >= {fewest}" if fewest else ""
        raise InputError(
            f"{name} must have the shape ({wanted}){count}, not {x.shape}; preprocess them as the network wants its "
            f"input"
        )
    with np.errstate(over="ignore"):  # what `dtype` cannot hold becomes infinite and is refused
        x = np.ascontiguousarray(x, dtype)
    bad = x.size - np.count_nonzero(np.isfinite(x))
    if bad:
        raise InputError(f"{name} must be finite, but hold {bad} NaN or infinite values; check the preprocessing")
    return x
