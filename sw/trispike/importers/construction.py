"""A graph under construction: its nodes and notes, whatever the operators that add them mean."""

from typing import TYPE_CHECKING

from ..errors import ModelError
from ..graph import Graph, Node
from ..network import INPUT
from .values import CHANNEL, HEIGHT, WIDTH, Activation, Constant, real_axes

if TYPE_CHECKING:
    from .trace import Call


class Construction:
    """A graph under construction.

    `source` starts messages, `input_name` and `dims` (batch first, None where not fixed) describe the network input:
    (N, C, H, W), (N, C, L) or (N, C), or with `channels_last` (N, H, W, C). `call` is the step being read; the walk
    sets it.
    """

    call: "Call"

    def __init__(self, source: str, input_name: str, dims: tuple[int | None, ...], channels_last: bool = False):
        text = ", ".join("?" if size is None else str(size) for size in dims)
        if len(dims) not in (2, 3, 4):
            raise ModelError(
                f"{source}: input {input_name!r} has the shape ({text}); "
                f"trispike needs (N, C, H, W), (N, C, L) or (N, C)"
            )
        fixed = [size for size in dims[1:] if size is not None and size > 0]
        if len(fixed) != len(dims) - 1:
            raise ModelError(
                f"{source}: input {input_name!r} has the shape ({text}); trispike needs fixed sizes behind the batch, "
                f"so export the network with them"
            )
        self._source = source
        self._batch = dims[0]
        self._nodes: dict[str, Node] = {}
        self._notes: list[str] = []
        if channels_last:
            fixed = [fixed[2], fixed[0], fixed[1]]
            self._notes.append(f"input {input_name!r} is (N, H, W, C) in the file; give it as (N, C, H, W)")
        shape = (fixed[0], fixed[1] if len(fixed) == 3 else 1, fixed[-1] if len(fixed) > 1 else 1)
        axes = real_axes(shape)
        if channels_last:
            axes = (*axes[1:], axes[0])
        self.input = Activation(INPUT, shape, (axes[0], axes[2]) if len(fixed) == 2 else axes[: len(fixed)])

    def _unique(self, wanted: str) -> str:
        name, count = wanted, 1
        while name == INPUT or name in self._nodes:
            count += 1
            name = f"{wanted}_{count}"
        return name

    def _map(self, x: Activation) -> Activation:
        if not x.is_map and not x.is_line:
            self.call.refuse(f"needs an input (N, C, H, W), but gets (N, {', '.join(map(str, x.dims))})")
        return x

    def _add_map(self, node: Node, like: Activation) -> Activation:
        """Add a node; its tensor has as many dimensions as `like`."""
        self._nodes[node.name] = node
        axes = real_axes(node.shape)
        return Activation(node.name, node.shape, (axes[CHANNEL], axes[WIDTH]) if like.is_line else axes)

    def finish(self, name: str, output: str, result: Activation | Constant) -> Graph:
        """The finished graph, whose output is `result`."""
        if isinstance(result, Constant) or result.node == INPUT:
            raise ModelError(f"{self._source}: the output {output!r} needs no layer at all; give a trained network")
        if result.shape[HEIGHT] * result.shape[WIDTH] != 1:
            raise ModelError(
                f"{self._source}: the output {output!r} is a map of the shape {result.shape}; "
                f"trispike needs one value per class, (N, classes)"
            )
        return Graph(name, self.input.shape, tuple(self._nodes.values()), tuple(self._notes))
