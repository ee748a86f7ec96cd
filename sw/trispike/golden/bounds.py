"""Proven bounds on membrane potentials, by interval arithmetic over the steps of a neuron.

The potentials that a neuron can have at a step lie in an interval; in relu mode there are two, one for neurons that
have fired and one for those that have not, because only the former give charge back on the negative side. Each step
maps intervals to intervals: double, widen by the largest |z|, split at the thresholds, shift the parts, unite them.
Bounds are Python integers (NumPy object arrays), so nothing can overflow while overflow is being excluded.
"""

from dataclasses import dataclass

import numpy as np

from ..network import Mode

_BEYOND = 1 << 128  # larger than any potential; the bounds of an empty interval are this and its negative, in order


@dataclass(frozen=True)
class _Intervals:
    """One closed integer interval per channel, object arrays [C]; empty where low > high."""

    low: np.ndarray
    high: np.ndarray

    @classmethod
    def empty(cls, channels: int) -> "_Intervals":
        return cls(np.full(channels, _BEYOND, object), np.full(channels, -_BEYOND, object))

    def integrated(self, reach: np.ndarray | int) -> "_Intervals":
        """After V = 2 * V + z for all |z| <= reach."""
        return _Intervals(2 * self.low - reach, 2 * self.high + reach)._normal()

    def shifted(self, by: np.ndarray) -> "_Intervals":
        return _Intervals(self.low + by, self.high + by)._normal()

    def within(self, low: np.ndarray | int, high: np.ndarray | int) -> "_Intervals":
        return _Intervals(np.maximum(self.low, low), np.minimum(self.high, high))._normal()

    def hull(self, other: "_Intervals") -> "_Intervals":
        return _Intervals(np.minimum(self.low, other.low), np.maximum(self.high, other.high))

    def peak(self) -> np.ndarray:
        """Largest magnitude, 0 where empty."""
        return np.where(self.low > self.high, 0, np.maximum(-self.low, self.high))

    def _normal(self) -> "_Intervals":
        gone = self.low > self.high
        return _Intervals(np.where(gone, _BEYOND, self.low), np.where(gone, -_BEYOND, self.high))


def potential_bound(
    sum_abs_weights: np.ndarray,
    bias: np.ndarray,
    theta: np.ndarray,
    phi: np.ndarray,
    time_steps: int,
    silent: int,
    mode: Mode,
) -> np.ndarray:
    """A bound on |V| per neuron, at the start, after every integration and after every firing, whatever the input.

    The first four are integers [C]; theta and phi (>= 1) are not used in modes PASS and LOGITS. The result is an object
    array [C] of Python ints. In mode PASS V is z itself; in mode LOGITS V ends as S and nothing fires.
    """
    reach, start, theta, phi = (
        np.array([int(v) for v in values], object) for values in (sum_abs_weights, bias, theta, phi)
    )
    if mode is Mode.PASS:
        return reach
    if mode is Mode.LOGITS:
        silent = time_steps  # silent steps only: the loop below ends before the first firing
    resting, spent = _Intervals(start, start), _Intervals.empty(len(start))
    if mode is Mode.SIGNED:
        resting, spent = spent, resting
    peak = np.abs(start)
    for t in range(time_steps if mode is Mode.LOGITS else time_steps + silent):
        widest = reach if t < time_steps else 0
        resting, spent = resting.integrated(widest), spent.integrated(widest)
        peak = np.maximum(peak, np.maximum(resting.peak(), spent.peak()))
        if t >= silent:
            resting, spent = _fired(resting, spent, theta, phi)
            peak = np.maximum(peak, np.maximum(resting.peak(), spent.peak()))
    return peak


def _fired(resting: _Intervals, spent: _Intervals, theta: np.ndarray, phi: np.ndarray) -> tuple[_Intervals, _Intervals]:
    """Intervals of the neurons that have never fired and of those that may fire negatively, after one firing."""
    positive = resting.within(phi, _BEYOND).hull(spent.within(phi, _BEYOND)).shifted(-theta)
    negative = spent.within(-_BEYOND, -phi).shifted(theta)
    idle = spent.within(1 - phi, phi - 1)
    return resting.within(-_BEYOND, phi - 1), positive.hull(negative).hull(idle)
