"""Choice of the scales lam: by the squared error of the decoded activations on calibration images.

A layer's scale is its theta (lam = theta * u / 2^s with u fixed by the weights), and the candidates are judged by what
the very neurons of the layer would decode: rounding, saturation, and spikes fired too early are all in the error.
"""

from dataclasses import dataclass

import numpy as np

from ..golden import decode, encode, max_pool, tsa
from ..network import Mode, Pool
from .quantise import round_half_up

LEAST_ROOM = 1.25  #: lam relative to the largest activation that theta must be able to reach
_STEP = 1.25
_STEPS_DOWN, _STEPS_UP = 6, 7  #: candidates from a quarter to 4.8 times the largest activation
_STEPS_PER_SILENT = 3  #: a silent step gives the room that a lam twice as large gives
_REFINEMENTS = 4
_MOST_LEVELS = 1 << 10  #: different values of an input that may lie on a grid
_GRID_ERROR = 1e-2  #: of a value on a grid, relative to its step: float32 is coarser than that only for fine grids
_LEAST_PEAK = 1 / 256  #: of a channel, relative to the largest of its tensor


@dataclass(frozen=True)
class Samples:
    """What some outputs of a layer get and should give.

    `sums` are the synaptic sums [P, T, C, KH, KW] of P pooling windows (KH = KW = 1 without pooling), `wanted` float64
    [P, C] the real values of the float network.
    """

    sums: np.ndarray
    wanted: np.ndarray


@dataclass(frozen=True)
class Neuron:
    """Constants of a layer's neurons that its scale does not change; `unit` is u, [C]."""

    silent: int
    tau: float
    mode: Mode
    unit: np.ndarray

    def scale(self, theta: np.ndarray) -> np.ndarray:
        """lam = theta * u / 2^s, exact, float64 [C]."""
        return theta * self.unit / (1 << self.silent)

    def threshold(self, theta: np.ndarray) -> np.ndarray:
        """phi = round(tau * theta), halves upward."""
        return round_half_up(self.tau * theta)

    def decoded(self, sums: np.ndarray, bias: np.ndarray, theta: np.ndarray) -> np.ndarray:
        """The real values float64 [P, C] of the trains that neurons fire on `sums`, the largest of each window."""
        trains = tsa(sums, bias, theta, self.threshold(theta), self.silent, self.mode)
        size = (sums.shape[3], sums.shape[4])
        if size != (1, 1):
            trains = max_pool(trains, Pool(size, size))
        return decode(trains, self.scale(theta))[:, :, 0, 0]


def input_scale(images: np.ndarray, time_steps: int, shared: bool) -> np.ndarray:
    """lam of the network input, float64 [C]: the one with the least squared error of encoding `images` [N, C, H, W].

    The candidates include the scale at which the largest value is exactly 2^T - 1 units and, for values that are all
    multiples of one number, as those from a file of bytes are, the one at which it is a unit.
    """
    channels = images.shape[1]
    values = np.moveaxis(images, 1, 0).reshape(1 if shared else channels, -1)
    peak = _live(np.abs(values).max(axis=1).astype(np.float64))
    exact = peak * (1 << time_steps) / ((1 << time_steps) - 1)
    best, error = exact, np.full(len(values), np.inf)
    candidates = [exact * ratio for ratio in np.geomspace(1, 0.25, 24)]
    for scale in (*candidates, np.array([_grid(row) for row in values]) * (1 << time_steps)):
        scale = np.where(scale > 0, scale, exact)
        integers, _ = encode(values[None, :, None, :], scale, time_steps)
        found = np.square(integers[0, :, 0] * scale[:, None] / (1 << time_steps) - values).mean(axis=1)
        better = found < error
        best, error = np.where(better, scale, best), np.where(better, found, error)
    return np.broadcast_to(best, channels).copy()


def _grid(values: np.ndarray) -> float:
    """The largest number of which all `values` [N] are multiples, 0 if there is none that is not tiny."""
    found = np.unique(values).astype(np.float64)
    steps = np.diff(found)
    if not 0 < len(steps) < _MOST_LEVELS:
        return 0.0
    step = (found[-1] - found[0]) / round((found[-1] - found[0]) / steps.min())
    return step if np.abs(found / step - np.round(found / step)).max() < _GRID_ERROR else 0.0


def choose_theta(samples: Samples, neuron: Neuron, bias: np.ndarray, peak: np.ndarray, limit: np.ndarray) -> np.ndarray:
    """Per channel the theta with the least squared error of the decoded `samples`, int64 [C], 2 <= theta <= `limit`.

    `bias` are the initial potentials, `peak` > 0 the largest real activation of each channel. With few silent steps a
    lam far above the peak is often the best: what it loses in the last digits, it gains in neurons that decide too
    early and have the room to make up for it.
    """
    most = max(1, _STEPS_UP - _STEPS_PER_SILENT * max(0, neuron.silent - 1))
    whole = peak * (1 << neuron.silent) / neuron.unit
    best_ratio, best_theta, best_error = np.ones(len(peak)), np.zeros(len(peak), np.int64), np.full(len(peak), np.inf)

    def judge(ratio: np.ndarray) -> None:
        theta = np.clip(round_half_up(whole * ratio), 2, limit)
        error = squared_error(neuron.decoded(samples.sums, bias, theta), samples.wanted)
        better = error < best_error
        for best, found in ((best_ratio, ratio), (best_theta, theta), (best_error, error)):
            np.copyto(best, found, where=better)

    for step in sorted(range(-_STEPS_DOWN, most + 1), key=abs):  # nearest to the peak first: it wins ties
        judge(np.full(len(peak), _STEP**step))
    for refinement in range(1, _REFINEMENTS + 1):
        factor = _STEP ** (0.5**refinement)
        centre = best_ratio.copy()
        judge(np.minimum(centre * factor, _STEP**most))
        judge(centre / factor)
    return best_theta


def shared_theta(
    neuron: Neuron, activations: np.ndarray, time_steps: int, upper: float | None
) -> tuple[np.ndarray, np.ndarray]:
    """theta [C] for one lam of all channels, and the units u' >= u, [C], with which theta is exact.

    lam is the one with the least squared error of nearest rounding of `activations` [N, C, H, W].
    """
    lam = input_scale(activations, time_steps, shared=True)
    if upper is not None:
        lam = np.minimum(lam, upper)
    whole = lam * (1 << neuron.silent)
    theta = np.floor(whole / neuron.unit).astype(np.int64)
    return theta, whole / np.maximum(theta, 1)


def squared_error(decoded: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Mean squared difference of two arrays [P, C], per channel."""
    return np.square(decoded - wanted).mean(axis=0)


def live_peaks(values: np.ndarray) -> np.ndarray:
    """Largest magnitude per channel of `values` [N, C, H, W], float64 [C]; a dead channel gets a safe one.

    Safe is the median of the live channels, or 1 where there are none. A channel that hardly lives is taken for
    a little livelier than it is: a scale far below those of the others gains nothing and may need a theta below 2.
    """
    peak = _live(np.abs(values).max(axis=(0, 2, 3)).astype(np.float64))
    return np.maximum(peak, peak.max() * _LEAST_PEAK)


def _live(peak: np.ndarray) -> np.ndarray:
    alive = peak > 0
    return np.where(alive, peak, np.median(peak[alive]) if alive.any() else 1.0)
