"""The ternary self-amplifying neuron (numerics section 3), all neurons of a layer at once."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import ConversionError
from ..network import Mode

Observer = Callable[[np.ndarray], None]


class Neurons:
    """The state of many neurons: membrane potential V and, in relu mode, the flag `fired`.

    `potential` is the initial V, a signed integer array that the object takes over and changes in place. `theta` and
    `phi` (>= 1) are integers or integer arrays that broadcast against it. `mode` is RELU or SIGNED.
    """

    def __init__(self, potential: np.ndarray, theta: Any, phi: Any, mode: Mode) -> None:
        self.potential = potential
        self._theta = np.asarray(theta, potential.dtype)
        self._phi = np.asarray(phi, potential.dtype)
        self._fired = np.zeros_like(potential, bool) if mode is Mode.RELU else None
        self._charge = np.empty_like(potential)

    def integrate(self, z: np.ndarray | None) -> None:
        """Self-amplify, then add the synaptic sums `z`; None stands for a step without input."""
        self.potential += self.potential
        if z is not None:
            self.potential += z

    def fire(self, digits: np.ndarray) -> None:
        """Decide this step's digit of every neuron into `digits` (int8) and take theta off where it is not zero."""
        above = self.potential >= self._phi
        below = self.potential <= -self._phi
        if self._fired is not None:
            below &= self._fired
            self._fired |= above
        np.subtract(above.view(np.int8), below.view(np.int8), out=digits)
        np.copyto(self._charge, digits)
        self._charge *= self._theta
        self.potential -= self._charge


def tsa(
    z: np.ndarray,
    bias: np.ndarray,
    theta: np.ndarray,
    phi: np.ndarray,
    silent: int,
    mode: Mode,
    observe: Observer | None = None,
) -> np.ndarray:
    """Output trains int8 [N, T, C, H, W] of the synaptic sums `z`, a signed integer array of that shape.

    `bias`, `theta` and `phi` are integers [C]; `silent` is s. Mode PASS gives sign(z) and uses none of them. `observe`
    sees V at the start, after every integration and after every firing; it must copy what it keeps.

    Raises:
        ConversionError: if a potential could leave 64 bits.
        ValueError: if mode is PASS and `silent` is not 0, or if mode is LOGITS, which has no trains.
    """
    trains = np.empty_like(z, np.int8)
    if mode is Mode.PASS:
        if silent:
            raise ValueError(f"mode PASS has no silent steps, so silent must be 0, not {silent}")
        return np.sign(z, out=trains, casting="unsafe")
    if mode is Mode.LOGITS:
        raise ValueError("mode LOGITS fires no spikes; sum the steps with logit_integers")
    steps = z.shape[1]
    potential = np.empty_like(z[:, 0], _potential_type(z, bias, max(np.max(theta), np.max(phi)), steps + silent))
    potential[...] = _per_channel(bias)
    neurons = Neurons(potential, _per_channel(theta), _per_channel(phi), mode)
    notice = observe if observe is not None else _ignore
    notice(neurons.potential)
    for t in range(steps + silent):
        neurons.integrate(z[:, t] if t < steps else None)
        notice(neurons.potential)
        if t >= silent:
            neurons.fire(trains[:, t - silent])
            notice(neurons.potential)
    return trains


def logit_integers(z: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """The exact integers S = sum z[t] * 2^(T-1-t) + b * 2^T of the last layer, int64 [N, C, H, W].

    Raises:
        ConversionError: if S could leave 64 bits.
    """
    steps = z.shape[1]
    total = np.empty_like(z[:, 0], _potential_type(z, bias, 0, steps))
    total[...] = _per_channel(bias)
    for t in range(steps):
        total += total
        total += z[:, t]
    return total.astype(np.int64)


def _per_channel(constants: np.ndarray) -> np.ndarray:
    return np.asarray(constants)[:, None, None]


def _ignore(potential: np.ndarray) -> None:
    """Observer of a run that nobody observes."""


def _potential_type(z: np.ndarray, bias: np.ndarray, threshold: int, steps: int) -> type[np.signedinteger]:
    """The narrowest type that holds every V and `threshold`: |V| doubles and grows by max|z| + theta in each step."""
    growth = max(int(z.max()), -int(z.min())) + int(threshold)
    limit = (int(np.max(np.abs(bias))) + growth) << steps
    if limit < 1 << 31:
        return np.int32
    if limit < 1 << 63:
        return np.int64
    raise ConversionError(
        f"a membrane potential may reach {limit}, but the golden model computes in 64 bits; "
        f"use smaller weights, biases or thresholds, or fewer time steps"
    )
