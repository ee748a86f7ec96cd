"""One layer from real weights to integers: units, weights, biases and thresholds that the hardware holds."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NoReturn

import numpy as np

from trispike_hw.architecture import Architecture

from ..errors import ConversionError
from ..network import Kind, Layer, Mode, Segment
from .bias_correction import corrected_bias, logits_correction
from .plan import LayerPlan
from .quantise import (
    Demand,
    Precision,
    demands,
    exact_unit,
    finest_unit,
    integer_bias,
    integer_segments,
    round_half_up,
)
from .scales import LEAST_ROOM, Neuron, choose_theta, live_peaks, shared_theta
from .spiking import run_layer, sample

_COARSEST = 8  #: how many times coarser than the widest weights a channel may become before it is refused
_FAINT = 1 / 8  #: of the layer's largest activation: channels below it may get a larger scale than they fill
_MARGIN = 1.01  #: coarser than the excess demands, because weights round upward too
_THETA_WITHOUT_WEIGHTS = 256  #: of a channel whose weights are all zero: only its bias is left


@dataclass(frozen=True)
class Coding:
    """What all layers share: T, s, tau, and whether biases are corrected for the mean rounding error."""

    time_steps: int
    silent: int
    tau: float
    correct_bias: bool


def build_layer(
    plan: LayerPlan,
    arch: Architecture,
    coding: Coding,
    scales: Mapping[str, np.ndarray],
    tensors: Mapping[str, np.ndarray],
    wanted: np.ndarray,
) -> Layer:
    """The integer layer of `plan`.

    `scales` and `tensors` hold lam [C] and the trains [N, T, C, H, W] of its sources by name; `wanted` [N, C, H, W] is
    what the float network computes in its place.

    Raises:
        ConversionError: if the layer cannot be exact within the widths of `arch`, naming layer, channel and width.
    """
    if plan.mode is Mode.PASS:
        return _copying_layer(plan, scales)
    maker = _LogitsLayer if plan.mode is Mode.LOGITS else _FiringLayer
    make = maker(plan, arch, coding, scales, tensors, wanted)
    unit = _fitting_unit(make, make.finest_unit())
    while True:
        layer = make.calibrated(unit)
        coarser = make.coarser_unit(layer, unit)
        if coarser is None:
            return layer
        unit = coarser


def _fitting_unit(make: "_LayerMaker", unit: np.ndarray) -> np.ndarray:
    """The finest unit from `unit` on with which an uncalibrated layer fits the hardware: found without calibrating."""
    while (coarser := make.coarser_unit(make.draft(unit), unit)) is not None:
        unit = coarser
    return unit


def _copying_layer(plan: LayerPlan, scales: Mapping[str, np.ndarray]) -> Layer:
    """A layer of mode PASS: weight 1, the scales of its sources."""
    nothing, scale = np.zeros(plan.neurons[0], np.int64), np.ones(plan.neurons[0])
    segments = []
    for s in plan.segments:
        weights = round_half_up(s.weights)
        here = np.arange(len(scale)) if s.kind is Kind.LANEWISE else weights[:, :, 0, 0].argmax(axis=1)
        copied = weights.reshape(len(scale), -1).any(axis=1)
        scale[copied] = scales[s.source][here[copied]]
        segments.append(Segment(s.source, s.kind, weights, s.stride, s.padding, s.dilation))
    return Layer(
        plan.name, tuple(segments), plan.neurons, plan.shape, plan.mode, nothing, nothing, nothing, 0, scale,
        scale.copy(), plan.pool,
    )  # fmt: skip


@dataclass(frozen=True)
class _LayerMaker(ABC):
    """Common to layers that fire and the last one, which does not."""

    plan: LayerPlan
    arch: Architecture
    coding: Coding
    scales: Mapping[str, np.ndarray]
    tensors: Mapping[str, np.ndarray]
    wanted: np.ndarray

    @abstractmethod
    def finest_unit(self) -> np.ndarray:
        """The smallest units u, [C], with which the weights fit."""

    @abstractmethod
    def draft(self, unit: np.ndarray) -> Layer:
        """The layer with units `unit` before calibration, about as wide as it will be after it."""

    @abstractmethod
    def calibrated(self, unit: np.ndarray) -> Layer:
        """The layer with units `unit` or coarser ones, calibrated."""

    def coarser_unit(self, layer: Layer, unit: np.ndarray) -> np.ndarray | None:
        """None if `layer` fits the hardware, else larger units with which it may fit.

        Raises:
            ConversionError: if these would leave too little of the weights.
        """
        asked = demands(layer, self.arch, self.coding.time_steps)
        excess = np.max([demand.excess for demand in asked], axis=0)
        if np.all(excess <= 1):
            return None
        coarser = exact_unit(self.plan, self.scales, unit * np.maximum(1, excess * _MARGIN))
        if layer.mode is Mode.LOGITS:
            coarser = np.full_like(unit, coarser.max())
        beyond = coarser > self.finest_unit() * min(_COARSEST, Precision.of(self.arch).weight)
        if np.any(beyond):
            self._refuse(asked, int(np.argmax(np.where(beyond, excess, 0))))
        return coarser

    def _refuse(self, asked: tuple[Demand, ...], channel: int) -> NoReturn:
        worst = max(asked, key=lambda demand: demand.excess[channel])
        raise ConversionError(
            f"layer {self.plan.name}, channel {channel}: {worst.what} needs {worst.bits(channel)} bits, but the "
            f"hardware has {worst.available}, and coarser weights would lose too much; use {worst.remedy}"
        )


@dataclass(frozen=True)
class _FiringLayer(_LayerMaker):
    """Makes layers of modes RELU and SIGNED."""

    def finest_unit(self) -> np.ndarray:
        precision, whole = Precision.of(self.arch), self._peak() * (1 << self.coding.silent)
        unit = finest_unit(self.plan, self.scales, self.arch)
        unit = np.where(unit > 0, unit, whole / _THETA_WITHOUT_WEIGHTS)
        return exact_unit(self.plan, self.scales, np.maximum(unit, whole * LEAST_ROOM / precision.theta))

    def draft(self, unit: np.ndarray) -> Layer:
        whole = self._peak() * LEAST_ROOM * (1 << self.coding.silent)
        theta = np.maximum(2, round_half_up(whole / unit))
        return self._layer(self._neuron(unit), theta, integer_bias(self.plan, unit))

    def calibrated(self, unit: np.ndarray) -> Layer:
        plan, peak = self.plan, self._peak()
        if plan.shared_scale:
            theta, unit = shared_theta(self._neuron(unit), self.wanted, self.coding.time_steps, plan.upper)
            self._check_theta(theta)
            return self._layer(self._neuron(unit), theta, integer_bias(plan, unit))
        neuron = self._neuron(unit)
        limit = np.full(len(peak), Precision.of(self.arch).theta)
        if plan.upper is not None:
            limit = np.minimum(limit, np.floor(plan.upper * (1 << self.coding.silent) / unit).astype(np.int64))
        whole = round_half_up(peak * (1 << self.coding.silent) / unit)
        self._check_theta(np.minimum(np.where(peak < peak.max() * _FAINT, np.maximum(whole, 2), whole), limit))
        segments, bias = integer_segments(plan, self.scales, unit, self.arch), integer_bias(plan, unit)
        samples = sample(plan, segments, self.tensors, self.wanted)
        theta = choose_theta(samples, neuron, bias, peak, limit)
        if self.coding.correct_bias:
            bias = corrected_bias(samples, neuron, theta, bias)
        return self._layer(neuron, theta, bias)

    def _peak(self) -> np.ndarray:
        peak = live_peaks(self.wanted)
        return peak if self.plan.upper is None else np.minimum(peak, self.plan.upper)

    def _neuron(self, unit: np.ndarray) -> Neuron:
        return Neuron(self.coding.silent, self.coding.tau, self.plan.mode, unit)

    def _check_theta(self, theta: np.ndarray) -> None:
        if np.any(theta < 2):
            channel = int(np.argmin(theta))
            raise ConversionError(
                f"layer {self.plan.name}, channel {channel}: theta must be at least 2, but is {theta[channel]}; "
                f"use more silent steps, more weight bits, or smaller weights in this channel"
            )

    def _layer(self, neuron: Neuron, theta: np.ndarray, bias: np.ndarray) -> Layer:
        plan = self.plan
        segments = integer_segments(plan, self.scales, neuron.unit, self.arch)
        return Layer(
            plan.name, segments, plan.neurons, plan.shape, plan.mode, bias, theta, neuron.threshold(theta),
            self.coding.silent, neuron.scale(theta), neuron.unit, plan.pool,
        )  # fmt: skip


@dataclass(frozen=True)
class _LogitsLayer(_LayerMaker):
    """Makes the last layer: one unit for all channels."""

    def finest_unit(self) -> np.ndarray:
        unit = finest_unit(self.plan, self.scales, self.arch)
        return np.full(len(unit), unit.max() if unit.any() else 1.0)

    def draft(self, unit: np.ndarray) -> Layer:
        plan, nothing = self.plan, np.zeros(len(unit), np.int64)
        segments, bias = integer_segments(plan, self.scales, unit, self.arch), integer_bias(plan, unit)
        return Layer(
            plan.name, segments, plan.neurons, plan.shape, plan.mode, bias, nothing, nothing, 0, unit.copy(), unit
        )

    def calibrated(self, unit: np.ndarray) -> Layer:
        layer = self.draft(unit)
        if not self.coding.correct_bias:
            return layer
        integers = run_layer(layer, self.tensors)
        decoded = integers * unit[:, None, None] / (1 << self.coding.time_steps)
        return replace(layer, bias=integer_bias(self.plan, unit, logits_correction(decoded, self.wanted)))
