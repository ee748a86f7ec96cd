"""What one machine program is to compute: layers, the tensors that the host writes for them, and where results go."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from trispike_hw.layout import Sink

from ..network import INPUT, Layer, Mode, Network
from ..program import Placement

Shape = tuple[int, int, int]


@dataclass(frozen=True)
class Task:
    """Layers in order of computation and the shapes (C, H, W) of the tensors that they read and the host writes.

    The tensor named `INPUT` may be packed as the network input may, all others stand as the machine writes them.
    `sinks` says of layers, by name, whether their output leaves; where it says nothing it stays. `formats` says of
    layers how their output stands in memory, at address 0, where that is not how the machine writes their shape.
    """

    name: str
    time_steps: int
    inputs: Mapping[str, Shape]
    layers: tuple[Layer, ...]
    sinks: Mapping[str, Sink] = field(default_factory=dict)
    formats: Mapping[str, Placement] = field(default_factory=dict)

    @classmethod
    def of(cls, network: Network) -> "Task":
        """All of `network`."""
        return cls(network.name, network.time_steps, {INPUT: network.coded_shape}, network.layers)

    def sink(self, layer: Layer) -> Sink:
        """Where the output words of `layer` go."""
        return self.sinks.get(layer.name, Sink.STORE)

    @property
    def answers(self) -> bool:
        """Whether the last layer gives an answer."""
        return self.layers[-1].mode is Mode.LOGITS

    @property
    def kept(self) -> tuple[Layer, ...]:
        """The layers whose output stands in spike memory."""
        return tuple(
            layer for layer in self.layers if layer.mode is not Mode.LOGITS and self.sink(layer) is not Sink.EXPORT
        )

    @property
    def exported(self) -> tuple[Layer, ...]:
        """The layers whose output leaves, in order."""
        return tuple(layer for layer in self.layers if self.sink(layer) is not Sink.STORE)
