"""What fusion hands to quantisation: layers of the spiking network with real weights."""

from dataclasses import dataclass

import numpy as np

from ..network import Kind, Mode, Pool


@dataclass(frozen=True)
class RealSegment:
    """A segment with real weights: as `network.Segment`, but float64 and in the units of the activations.

    `splits` says that its weights may be split over several synapses to be more exact than `weight_bits` allow: the
    identity of a residual addition has to be as exact as the convolution beside it, whose weights are much smaller.
    `narrow` says that it leaves out channels of its source.
    """

    source: str
    kind: Kind
    weights: np.ndarray
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    splits: bool = False
    first: int = 0
    narrow: bool = False

    @property
    def inputs(self) -> slice:
        """The source channels that have synapses."""
        return slice(self.first, self.first + self.weights.shape[-3])

    @property
    def kernel(self) -> tuple[int, int]:
        """Kernel height and width."""
        return self.weights.shape[-2], self.weights.shape[-1]

    @property
    def machine_segments(self) -> int:
        """Segments of the machine that it takes at most: one per kernel column where the taps are no neighbours."""
        several = self.kind is Kind.LANEWISE or self.narrow or self.dilation[1] > 1
        return self.weights.shape[-1] if several else 1


@dataclass(frozen=True)
class LayerPlan:
    """One layer of the spiking network before quantisation.

    `tensor` names the node of the canonical graph whose output this layer reproduces. `bias` is float64 [C], real.
    `upper` is the limit of a saturating ReLU. `shared_scale` says that all channels must have one lam. A `partial`
    layer is part of a chain that reproduces a node together; no node has its output.
    """

    name: str
    tensor: str
    segments: tuple[RealSegment, ...]
    neurons: tuple[int, int, int]
    shape: tuple[int, int, int]
    mode: Mode
    bias: np.ndarray
    upper: float | None = None
    pool: Pool | None = None
    shared_scale: bool = False
    partial: bool = False
