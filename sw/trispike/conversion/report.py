"""What a conversion reports: one row per layer, and the network as a whole."""

from dataclasses import asdict, dataclass
from math import log10
from typing import Any

import numpy as np

from ..golden import decode, potential_bound, sum_abs_weights
from ..network import Layer, Mode


@dataclass(frozen=True)
class LayerReport:
    """One layer on the calibration images.

    Ranges are (smallest, largest) over channels. `silent` is s, `clipped` the share of float activations beyond lam,
    `sqnr_db` the ratio of signal to error against the float network in dB (None where the error is zero), `spikes` the
    mean number per output value and step, `mean_error` the mean of decoded minus float in units of the last digit (of u
    in the last layer). `weight_peak` is the smallest over channels of the largest |w| (of all weights in the last
    layer, whose channels share one u), `weight_sum` the largest sum of |w|, `potential_bits` what the proven bound on V
    needs. Entries that a mode does not have are None.
    """

    name: str
    mode: str
    silent: int
    neurons: tuple[int, int, int]
    shape: tuple[int, int, int]
    scale: tuple[float, float] | None
    theta: tuple[int, int] | None
    phi: tuple[int, int] | None
    clipped: float | None
    sqnr_db: float | None
    spikes: float | None
    mean_error: float
    weight_peak: int
    weight_sum: int
    potential_bits: int


@dataclass(frozen=True)
class ConversionReport:
    """A whole conversion.

    `input_offset` is None where the input is coded as it is. `silent` is s. `agreement` is the share of calibration
    images for which the spiking network's first choice is the float network's.
    """

    network: str
    time_steps: int
    silent: int
    tau: float
    images: int
    input_scale: tuple[float, float]
    input_offset: tuple[float, float] | None
    input_clipped: float
    input_spikes: float
    agreement: float
    layers: tuple[LayerReport, ...]
    warnings: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """All of it in types that JSON knows."""
        return asdict(self)


def layer_report(layer: Layer, result: np.ndarray, wanted: np.ndarray, time_steps: int) -> LayerReport:
    """The row of `layer`: `result` are its trains [N, T, C, H, W] or logit integers [N, C, 1, 1] on calibration images,
    `wanted` [N, C, H, W] what the float network computes."""
    logits, copies = layer.mode is Mode.LOGITS, layer.mode is Mode.PASS
    step = (layer.scale / (1 << time_steps))[:, None, None]
    decoded = result * step if logits else decode(result, layer.scale)
    error = decoded - wanted
    signal, noise = float(np.square(wanted, dtype=np.float64).sum()), float(np.square(error).sum())
    total = sum_abs_weights(layer.segments, layer.neurons[0])
    bound = potential_bound(total, layer.bias, layer.theta, layer.phi, time_steps, layer.silent, layer.mode)
    peaks = np.max([np.abs(s.weights).reshape(layer.neurons[0], -1).max(axis=1) for s in layer.segments], axis=0)
    return LayerReport(
        name=layer.name, mode=layer.mode.value, silent=layer.silent, neurons=layer.neurons, shape=layer.shape,
        scale=None if logits else span(layer.scale),
        theta=None if logits or copies else _whole_span(layer.theta),
        phi=None if logits or copies else _whole_span(layer.phi),
        clipped=None if logits else float(np.mean(np.abs(wanted) > layer.scale[:, None, None])),
        sqnr_db=10 * log10(signal / noise) if noise > 0 and signal > 0 else None,
        spikes=None if logits else spike_rate(result),
        mean_error=float(np.mean(error / (layer.unit[:, None, None] if logits else step))),
        weight_peak=int(peaks.max() if logits else peaks[peaks > 0].min(initial=peaks.max())),
        weight_sum=int(total.max()),
        potential_bits=max(int(value) for value in bound).bit_length() + 1,
    )  # fmt: skip


def spike_rate(trains: np.ndarray) -> float:
    """Spikes per value and step of trains [N, T, C, H, W]."""
    return float(np.count_nonzero(trains) / trains.size)


def span(values: np.ndarray) -> tuple[float, float]:
    """Smallest and largest of `values`."""
    return float(values.min()), float(values.max())


def _whole_span(values: np.ndarray) -> tuple[int, int]:
    return int(values.min()), int(values.max())
