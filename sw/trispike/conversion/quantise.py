"""Integers of a layer: units, weights, biases, and the widths of the hardware that bound them (numerics section 2)."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from trispike_hw.architecture import Architecture

from ..golden import potential_bound, sum_abs_weights
from ..network import Layer, Mode, Segment
from .plan import LayerPlan, RealSegment

_ANSWER_BITS = 32
_SYNAPSES_OF_IDENTITIES = 4  #: that make ratios of scales exact to a tenth of a percent
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
    return segment.weights * scale[segment.inputs][:, None, None]


def charges(plan: LayerPlan, scales: Mapping[str, np.ndarray]) -> np.ndarray:
    """Per segment and output channel the largest |w_real * lam|, float64 [S, C]; zero where there is no synapse."""
    return np.array(
        [
            np.abs(scaled_weights(segment, scales[segment.source])).reshape(plan.neurons[0], -1).max(axis=1)
            for segment in plan.segments
        ]
    )


def synapses_per_weight(plan: LayerPlan, arch: Architecture) -> np.ndarray:
    """Over how many synapses a weight of each segment may be split, int64 [S]: as many as `arch` has segments left."""
    used = sum(segment.machine_segments for segment in plan.segments)
    splitting = sum(segment.machine_segments for segment in plan.segments if segment.splits)
    room = max(0, arch.max_segments - used) // splitting if splitting and len(plan.segments) > 1 else 0
    return np.array([1 + room if segment.splits else 1 for segment in plan.segments])


def finest_unit(plan: LayerPlan, scales: Mapping[str, np.ndarray], arch: Architecture) -> np.ndarray:
    """The smallest u, float64 [C], with which all weights fit; zero for a channel without synapses.

    Weights that are split have the precision of those beside them that are not; with none of those, of a few synapses.
    """
    charge, count = charges(plan, scales), synapses_per_weight(plan, arch)
    if all(segment.splits for segment in plan.segments):
        count = np.minimum(count, _SYNAPSES_OF_IDENTITIES)
    return (charge / (count * Precision.of(arch).weight)[:, None]).max(axis=0)


def exact_unit(plan: LayerPlan, scales: Mapping[str, np.ndarray], unit: np.ndarray) -> np.ndarray:
    """Units not below `unit`, [C], with which the largest weight that is split is an integer without rounding."""
    splitting = [segment.splits for segment in plan.segments]
    if not any(splitting) or plan.mode is Mode.LOGITS:
        return unit
    charge = charges(plan, scales)[splitting].max(axis=0)
    whole = np.floor(charge / unit * (1 + 1e-12))
    return np.where(whole >= 1, charge / np.maximum(whole, 1), unit)


def integer_segments(
    plan: LayerPlan, scales: Mapping[str, np.ndarray], unit: np.ndarray, arch: Architecture
) -> tuple[Segment, ...]:
    """The segments of `plan` with weights round(w_real * lam / u), `unit` u > 0 being [C].

    Where these do not fit the weights of `arch`, several segments with the same source add up to them.
    """
    largest, found = Precision.of(arch).weight, []
    for segment in plan.segments:
        charge = scaled_weights(segment, scales[segment.source])
        rest = round_half_up(charge / unit.reshape(-1, *[1] * (charge.ndim - 1)))
        while True:
            weights = np.clip(rest, -largest, largest)
            found.append(
                Segment(
                    segment.source, segment.kind, weights, segment.stride, segment.padding, segment.dilation,
                    segment.first,
                )
            )  # fmt: skip
            rest = rest - weights
            if not rest.any():
                break
    return tuple(found)


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
