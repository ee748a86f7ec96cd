"""From the nodes of a float graph to the layers of a spiking network, weights still real."""

from dataclasses import dataclass, field, replace

import numpy as np

from ..errors import ConversionError
from ..graph import AveragePool, Conv, Graph, MaxPool, Node, Relu
from ..network import INPUT, Kind, Mode, Pool
from .canonical import sole_consumer, source_shape
from .plan import LayerPlan, RealSegment


@dataclass(frozen=True)
class Plan:
    """All layers in order of computation.

    `output_relu` and `output_upper` describe a ReLU behind the last layer, which its logits leave out.
    `shared_input_scale` says that all channels of the network input must have one lam.
    """

    layers: tuple[LayerPlan, ...]
    output_relu: bool = False
    output_upper: float | None = None
    shared_input_scale: bool = False


def fuse(graph: Graph) -> Plan:
    """The layers that compute `graph`, which must be canonical.

    A convolution takes the ReLU and the non-overlapping max pooling behind it into its layer; an average pooling
    becomes a lane-wise layer; other max poolings become layers that copy trains. The last layer gives logits.

    Raises:
        ConversionError: if a node cannot be a layer, naming it and the way out.
    """
    work = _Fusion(graph)
    for node in graph.nodes:
        if node.name not in work.layer_of:
            work.start(node)
    layers = work.layers
    last = layers[-1]
    if last.shape[1:] != (1, 1):
        raise ConversionError(
            f"the output {graph.nodes[-1].name} has shape {last.shape}, but a network must end in one value per class, "
            f"shape (classes, 1, 1); add a global average or a linear layer"
        )
    ends_in_relu = isinstance(graph.nodes[-1], Relu)
    if last.mode is Mode.PASS or last.pool is not None:
        logits, ends_in_relu = _identity_logits(last), False
    else:
        logits = replace(layers.pop(), mode=Mode.LOGITS, tensor=last.name, upper=None)
    shared = _copies(layers, _needs_shared_scale(logits))
    layers = [replace(layer, shared_scale=layer.name in shared) for layer in layers]
    upper = last.upper if ends_in_relu else None
    return Plan((*layers, logits), ends_in_relu, upper, INPUT in shared)


@dataclass
class _Fusion:
    """Layers made so far, which layer makes a node's tensor, and which layers' trains are never negative."""

    graph: Graph
    layers: list[LayerPlan] = field(default_factory=list)
    layer_of: dict[str, str] = field(default_factory=lambda: {INPUT: INPUT})
    non_negative: set[str] = field(default_factory=set)

    def start(self, node: Node) -> None:
        """Make the layer that `node` begins."""
        source = self.layer_of[node.inputs[0]]
        match node:
            case Conv():
                weights, bias = node.weights.astype(np.float64), node.bias.astype(np.float64)
                segment = RealSegment(source, Kind.BROADCAST, weights, node.stride, node.padding[:2], node.dilation)
                self._finish(node, [segment], bias, Mode.SIGNED)
            case AveragePool():
                mode = Mode.RELU if source in self.non_negative else Mode.SIGNED
                self._finish(node, [self._average(node, source)], np.zeros(node.shape[0]), mode)
            case Relu():
                one = RealSegment(source, Kind.LANEWISE, np.ones((node.shape[0], 1, 1)))
                self._finish(node, [one], np.zeros(node.shape[0]), Mode.RELU, node.upper)
            case MaxPool():
                self._copy_pool(node, source)

    def _finish(
        self, node: Node, segments: list[RealSegment], bias: np.ndarray, mode: Mode, upper: float | None = None
    ) -> None:
        """Add the layer that begins with `node`, with the ReLU and the max pooling behind it where they fit."""
        absorbed, pool = [node], None
        follower = sole_consumer(self.graph.nodes, node.name)
        if isinstance(follower, Relu):
            mode, upper = Mode.RELU, follower.upper
            absorbed.append(follower)
            follower = sole_consumer(self.graph.nodes, follower.name)
        if isinstance(follower, MaxPool) and _is_absorbable(follower, node.shape):
            pool = Pool(follower.kernel, follower.stride)
            absorbed.append(follower)
        last = absorbed[-1]
        self._add(
            LayerPlan(node.name, last.name, tuple(segments), node.shape, last.shape, mode, bias, upper, pool), absorbed
        )

    def _average(self, node: AveragePool, source: str) -> RealSegment:
        shape = source_shape(self.graph, node)
        if any(node.padding) and not node.count_padding:
            raise ConversionError(
                f"node {node.name}: an average pooling with padding {node.padding} must count the padding zeros, "
                f"because the divisor must be the same everywhere; set count_include_pad or remove the padding"
            )
        if not _fits(node, shape):
            raise ConversionError(
                f"node {node.name}: its windows must lie inside the padded map, but output {node.shape[1:]} reaches "
                f"beyond it; switch ceil_mode off"
            )
        pixels = node.kernel[0] * node.kernel[1]
        weights = np.full((node.shape[0], *node.kernel), 1 / pixels)
        return RealSegment(source, Kind.LANEWISE, weights, node.stride, node.padding[:2])

    def _copy_pool(self, node: MaxPool, source: str) -> None:
        """Max pooling as a layer of its own: neurons copy the trains, zeros stand for the padding."""
        source_size = source_shape(self.graph, node)
        channels = source_size[0]
        reach = [
            (count - 1) * stride + kernel
            for count, stride, kernel in zip(node.shape[1:], node.stride, node.kernel, strict=True)
        ]
        padded = any(node.padding) or not _fits(node, source_size)
        if padded and source not in self.non_negative:
            raise ConversionError(
                f"node {node.name}: a max pooling with padding {node.padding} needs an input that is never negative; "
                f"put a ReLU before it or remove the padding"
            )
        rows, columns = (
            max(length, needed) if padded else length for length, needed in zip(source_size[1:], reach, strict=True)
        )
        one = RealSegment(source, Kind.LANEWISE, np.ones((channels, 1, 1)), padding=node.padding[:2])
        plan = LayerPlan(
            node.name, node.name, (one,), (channels, rows, columns), node.shape, Mode.PASS, np.zeros(channels),
            pool=Pool(node.kernel, node.stride),
        )  # fmt: skip
        self._add(plan, [node])

    def _add(self, plan: LayerPlan, absorbed: list[Node]) -> None:
        self.layers.append(plan)
        self.layer_of.update({node.name: plan.name for node in absorbed})
        sources_positive = all(segment.source in self.non_negative for segment in plan.segments)
        if plan.mode is Mode.RELU or (plan.mode is Mode.PASS and sources_positive):
            self.non_negative.add(plan.name)


def _is_absorbable(pool: MaxPool, source: tuple[int, int, int]) -> bool:
    """Whether the layer before `pool` can pool its own trains: windows neither overlap nor leave the map."""
    return pool.kernel == pool.stride and not any(pool.padding) and _fits(pool, source)


def _fits(pool: MaxPool | AveragePool, source: tuple[int, int, int]) -> bool:
    """Whether all windows of `pool` lie inside its padded source."""
    top, left, bottom, right = pool.padding
    return all(
        (count - 1) * stride + kernel <= length
        for count, stride, kernel, length in zip(
            pool.shape[1:], pool.stride, pool.kernel, (source[1] + top + bottom, source[2] + left + right), strict=True
        )
    )


def _identity_logits(last: LayerPlan) -> LayerPlan:
    """A last layer that hands on the values of `last`."""
    one = RealSegment(last.name, Kind.LANEWISE, np.ones((last.shape[0], 1, 1)))
    return LayerPlan(
        f"{last.name}_logits", last.tensor, (one,), last.shape, last.shape, Mode.LOGITS, np.zeros(last.shape[0])
    )


def _needs_shared_scale(logits: LayerPlan) -> str | None:
    """The source that must have one lam: one unit for all logits leaves lane-wise weights no freedom."""
    lanewise = [segment.source for segment in logits.segments if segment.kind is Kind.LANEWISE]
    return lanewise[0] if lanewise else None


def _copies(layers: list[LayerPlan], tensor: str | None) -> set[str]:
    """`tensor` and all tensors that it copies through max pooling: they have the same lam."""
    names = {tensor} if tensor is not None else set()
    for layer in reversed(layers):
        if layer.name in names and layer.mode is Mode.PASS:
            names.add(layer.segments[0].source)
    return names
