"""Integers of a layer: weights and biases, and the widths of the hardware that bound them (numerics section 2)."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from trispike_hw.architecture import Architecture

from ..golden import potential_bound, sum_abs_weights
from ..network import Layer, Mode, Segment
from .plan import LayerPlan, RealSegment

_ANSWER_BITS = 32
_FEWER_STEPS = "fewer time steps or silent steps,"


def round_half_up(x: np.ndarray | float) -> np.ndarray:
    """The nearest integers, halves upward, int64."""
    return np.floor(np.asarray(x, np.float64) + 0.5).astype(np.int64)


@dataclass(frozen=True)
class Precision:
    """Largest magnitudes of weights and thresholds that an architecture holds."""

    weight: int
    theta: int

    @classmethod
    def of(cls, arch: Architecture) -> "Precision":
        """The limits of `arch`."""
        return cls(_largest(arch.weight_bits), (1 << arch.threshold_bits) - 1)


def scaled_weights(segment: RealSegment, scale: np.ndarray) -> np.ndarray:
    """The weights of `segment` times the lam [I] of their source: the real charge that a spike brings in the last step.

    The source channel is the third axis from the end in both kinds.
    """
    return segment.weights * scale[:, None, None]


def largest_charge(plan: LayerPlan, scales: Mapping[str, np.ndarray]) -> np.ndarray:
    """Per output channel the largest |w_real * lam|, float64 [C]; zero for a channel without synapses."""
    channels = plan.neurons[0]
    peaks = [
        np.abs(scaled_weights(segment, scales[segment.source])).reshape(channels, -1).max(axis=1)
        for segment in plan.segments
    ]
    return np.max(peaks, axis=0)


def integer_segments(plan: LayerPlan, scales: Mapping[str, np.ndarray], unit: np.ndarray) -> tuple[Segment, ...]:
    """The segments of `plan` with weights round(w_real * lam / u), `unit` u > 0 being [C]."""
    return tuple(
        Segment(
            segment.source,
            segment.kind,
            round_half_up(
                scaled_weights(segment, scales[segment.source]) / unit.reshape(-1, *[1] * (segment.weights.ndim - 1))
            ),
            segment.stride,
            segment.padding,
            segment.dilation,
        )
        for segment in plan.segments
    )


def integer_bias(plan: LayerPlan, unit: np.ndarray, correction: np.ndarray | float = 0.0) -> np.ndarray:
    """The initial potentials round((b_real + correction) / u), int64 [C]."""
    return round_half_up((plan.bias + correction) / unit)


@dataclass(frozen=True)
class Demand:
    """What a layer asks of one width of the hardware: per channel a magnitude, integers [C], for `available` bits."""

    what: str
    value: np.ndarray
    available: int
    remedy: str

    @property
    def excess(self) -> np.ndarray:
        """How many times larger than the limit the value is, float64 [C]."""
        return self.value.astype(np.float64) / _largest(self.available)

    def bits(self, channel: int) -> int:
        """Bits of a signed number that holds the value of `channel`."""
        return int(self.value[channel]).bit_length() + 1


def demands(layer: Layer, arch: Architecture, time_steps: int) -> tuple[Demand, ...]:
    """Everything in `layer` that a width of `arch` bounds and that a larger unit makes smaller."""
    total = sum_abs_weights(layer.segments, layer.neurons[0])
    potential = potential_bound(total, layer.bias, layer.theta, layer.phi, time_steps, layer.silent, layer.mode)
    found = [
        Demand("the sum of its weights", total, arch.accumulator_bits, "an architecture with more accumulator_bits"),
        Demand("its bias", np.abs(layer.bias), arch.bias_bits, "an architecture with more bias_bits"),
        Demand(
            "its membrane potential",
            potential,
            arch.potential_bits,
            f"{_FEWER_STEPS} or an architecture with more potential_bits",
        ),
    ]
    if layer.mode is Mode.LOGITS:
        found.append(Demand("its answer", potential, _ANSWER_BITS, f"{_FEWER_STEPS} or smaller weights"))
    return tuple(found)


def _largest(bits: int) -> int:
    """The largest signed number of `bits` bits."""
    return (1 << bits - 1) - 1
