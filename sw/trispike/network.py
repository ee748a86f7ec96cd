"""The integer spiking network: what the converter produces, the golden model computes and the lowering places.

Everything here is exact integers but the scales, which only translate between integers and real numbers. A tensor is
named after the layer that makes it; the network input is named `INPUT`. Shapes are (channels, height, width).
"""

from dataclasses import dataclass, field
from enum import Enum

import numpy as np

INPUT = "input"


class Mode(Enum):
    """Neuron modes of numerics section 3, and the two uses of the array that fire no neuron."""

    RELU = "relu"
    SIGNED = "signed"
    PASS = "pass"  #: digit = sign(z): copies a train, for max pooling that no layer can absorb
    LOGITS = "logits"  #: last layer: exact integer S instead of spikes


class Kind(Enum):
    """How a spike of a segment meets the columns."""

    BROADCAST = "broadcast"  #: a spike of channel i reaches all output channels
    LANEWISE = "lanewise"  #: a spike of channel c reaches output channel c alone


@dataclass(frozen=True)
class Segment:
    """Synapses from one source tensor.

    `weights` is an integer array, [O, I, KH, KW] for BROADCAST and [O, KH, KW] for LANEWISE (O = source channels). The
    I channels of BROADCAST are those from channel `first` of the source on; LANEWISE has `first` 0.
    Output pixel (y, x) sees source rows y * stride[0] - padding[0] + ky * dilation[0], and columns likewise; what lies
    outside the source is zero. `padding` is (top, left); bottom and right follow from the layer's output shape.
    """

    source: str
    kind: Kind
    weights: np.ndarray
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    first: int = 0

    @property
    def inputs(self) -> slice:
        """The source channels that have synapses."""
        return slice(self.first, self.first + self.weights.shape[-3])

    @property
    def kernel(self) -> tuple[int, int]:
        """Kernel height and width."""
        return self.weights.shape[-2], self.weights.shape[-1]


@dataclass(frozen=True)
class Pool:
    """Max pooling of a layer's own output trains; windows that would leave the convolution map do not exist."""

    kernel: tuple[int, int]
    stride: tuple[int, int]


@dataclass(frozen=True)
class Layer:
    """One layer: segments summed into z, a TSA neuron per output, and optionally max pooling of the trains.

    `neurons` is the shape (C, H, W) of the neurons, `shape` that of the output tensor (after `pool`). `bias`, `theta`
    and `phi` are int64 [C]; theta and phi are unused (zero) in modes PASS and LOGITS, bias in mode PASS. `silent` is s.
    `scale` is lam, float64 [C], of the output tensor; `unit` is u, float64 [C], the real value of one membrane unit.
    In mode LOGITS all units are equal and neurons is (classes, 1, 1).
    """

    name: str
    segments: tuple[Segment, ...]
    neurons: tuple[int, int, int]
    shape: tuple[int, int, int]
    mode: Mode
    bias: np.ndarray
    theta: np.ndarray
    phi: np.ndarray
    silent: int
    scale: np.ndarray
    unit: np.ndarray
    pool: Pool | None = None


@dataclass(frozen=True)
class Network:
    """A whole spiking network: a chain or graph of layers in order of computation; the last one has mode LOGITS.

    `time_steps` is T. `input_shape` is that of an image. The host codes an image as the tensor `INPUT`: it puts zeros
    around it, `input_padding` (top, left, bottom, right), takes `input_offset`, real, float64 [C] (None: nothing), off
    every value, and codes the rest with `input_scale`, lam, float64 [C].
    """

    name: str
    time_steps: int
    input_shape: tuple[int, int, int]
    input_scale: np.ndarray
    layers: tuple[Layer, ...]
    tau: float = 2 / 3
    notes: dict[str, str] = field(default_factory=dict)
    input_offset: np.ndarray | None = None
    input_padding: tuple[int, int, int, int] = (0, 0, 0, 0)

    @property
    def coded_shape(self) -> tuple[int, int, int]:
        """Shape of the tensor `INPUT`: that of an image with its padding."""
        channels, rows, columns = self.input_shape
        top, left, bottom, right = self.input_padding
        return channels, top + rows + bottom, left + columns + right

    @property
    def classes(self) -> int:
        """Outputs of the last layer."""
        return self.layers[-1].neurons[0]

    def shape_of(self, tensor: str) -> tuple[int, int, int]:
        """Shape of a tensor by name.

        Raises:
            KeyError: if no layer makes it.
        """
        if tensor == INPUT:
            return self.coded_shape
        return next(layer.shape for layer in self.layers if layer.name == tensor)
