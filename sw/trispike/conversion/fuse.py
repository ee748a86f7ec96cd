"""From the nodes of a float graph to the layers of a spiking network, weights still real."""

from dataclasses import dataclass, field, replace

import numpy as np

from ..errors import ConversionError
from ..graph import Add, Affine, AveragePool, Concat, Conv, Graph, MaxPool, Node, Pad, Relu, Select
from ..network import INPUT, Kind, Mode, Pool
from .canonical import sole_consumer, source_shape
from .plan import LayerPlan, RealSegment
from .views import View, channels_of, channelwise, dense, embedded, identity, padded, scaled, selected, whole

LINEAR = (Conv, AveragePool, Affine, Add, Concat, Pad)


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

    A convolution takes the ReLU and the non-overlapping max pooling behind it into its layer; so does a sum, whose
    synapses are those of the convolutions that it alone reads and copies of other tensors. An average pooling becomes a
    lane-wise layer; other max poolings become layers that copy trains; concatenations and padding are no layers at all,
    but more segments of those that read them. The last layer gives logits.

    Raises:
        ConversionError: if a node cannot be a layer, naming it and the way out.
    """
    work = _Fusion(graph)
    for node in graph.nodes:
        if node.name not in work.views:
            work.start(node)
    output = graph.nodes[-1]
    if output.shape[1:] != (1, 1):
        raise ConversionError(
            f"the output {output.name} has shape {output.shape}, but a network must end in one value per class, "
            f"shape (classes, 1, 1); add a global average or a linear layer"
        )
    layers, ends_in_relu, upper = work.layers, False, None
    last = layers[-1] if layers else None
    answered = last is not None and work.views[output.name] == whole(last.name, output.shape[0])
    if last is not None and answered and last.mode is not Mode.PASS and last.pool is None:
        ends_in_relu = isinstance(output, Relu)
        upper = last.upper if ends_in_relu else None
        logits = replace(layers.pop(), mode=Mode.LOGITS, tensor=last.name, upper=None)
    else:
        logits = _identity_logits(output, work.views[output.name])
    shared = _copies(layers, _needs_shared_scale(logits))
    layers = [replace(layer, shared_scale=layer.name in shared) for layer in layers]
    return Plan((*layers, logits), ends_in_relu, upper, INPUT in shared)


@dataclass
class _Fusion:
    """Layers made so far, where the tensors of nodes stand, and which layers' trains are never negative."""

    graph: Graph
    layers: list[LayerPlan] = field(default_factory=list)
    views: dict[str, View] = field(default_factory=dict)
    non_negative: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.views[INPUT] = whole(INPUT, self.graph.input_shape[0])
        self._nodes = {node.name: node for node in self.graph.nodes}

    def start(self, node: Node) -> None:
        """Make the layer that `node` begins, if it begins one."""
        match node:
            case _ if self._joins(node):
                pass  # the layer of the node behind it takes its synapses in
            case Concat():
                self.views[node.name] = tuple(part for name in node.inputs for part in self.views[name])
            case Select():
                self.views[node.name] = selected(self.views[node.inputs[0]], node.channels)
            case Pad():
                self.views[node.name] = padded(self.views[node.inputs[0]], node.padding[:2], node.channels)
            case MaxPool():
                self._copy_pool(node)
            case Relu():
                source = self.views[node.inputs[0]]
                self._finish(node, identity(source), np.zeros(node.shape[0]), Mode.RELU, node.upper)
            case _:
                segments, bias = self._linear(node)
                self._finish(node, segments, bias, self._mode(segments, bias))

    def _joins(self, node: Node) -> bool:
        """Whether the synapses of `node` belong to the layer of the node behind it, with nothing rounded between."""
        if not isinstance(node, LINEAR) or (isinstance(node, Pad) and any(node.padding)):
            return False
        follower = sole_consumer(self.graph.nodes, node.name)
        if isinstance(follower, Add | Affine):
            return True
        return isinstance(follower, Concat | Pad) and self._joins(follower)

    def _linear(self, node: Node) -> tuple[list[RealSegment], np.ndarray]:
        """Segments and bias, float64 [C], that compute `node`."""
        match node:
            case Conv():
                return self._conv(node), node.bias.astype(np.float64)
            case AveragePool():
                return self._average(node), np.zeros(node.shape[0])
            case Affine():
                segments, bias = self._term(node.inputs[0])
                factor = node.scale.astype(np.float64)
                return scaled(segments, factor), bias * factor + node.shift
            case Add():
                terms = [self._term(name) for name in node.inputs]
                return [segment for segments, _ in terms for segment in segments], np.sum([b for _, b in terms], axis=0)
            case Concat():
                return self._stacked([self._term(name) for name in node.inputs], 0, node.shape[0])
            case Pad():
                return self._stacked([self._term(node.inputs[0])], node.channels[0], node.shape[0])
            case _:
                raise TypeError(f"{type(node).__name__} is not linear")

    def _term(self, name: str) -> tuple[list[RealSegment], np.ndarray]:
        """Segments and bias that give tensor `name`: those of its node if that has no layer, else a copy of it."""
        if name not in self.views:
            return self._linear(self._nodes[name])
        view = self.views[name]
        return identity(view), np.zeros(channels_of(view))

    @staticmethod
    def _stacked(
        terms: list[tuple[list[RealSegment], np.ndarray]], first: int, channels: int
    ) -> tuple[list[RealSegment], np.ndarray]:
        segments, bias = [], np.zeros(channels)
        for part, part_bias in terms:
            segments += embedded(part, first, channels)
            bias[first : first + len(part_bias)] = part_bias
            first += len(part_bias)
        return segments, bias

    def _conv(self, node: Conv) -> list[RealSegment]:
        view, weights = self.views[node.inputs[0]], node.weights.astype(np.float64)
        outputs, per_group, *kernel = weights.shape
        if per_group == 1 and node.groups == outputs and outputs > 1:
            return channelwise(view, weights[:, 0], node.stride, node.padding[:2], node.dilation)
        share = outputs // node.groups
        whole = np.zeros((outputs, per_group * node.groups, *kernel))
        for group in range(node.groups):
            rows, inputs = (slice(group * size, (group + 1) * size) for size in (share, per_group))
            whole[rows, inputs] = weights[rows]
        return dense(view, whole, node.stride, node.padding[:2], node.dilation)

    def _mode(self, segments: list[RealSegment], bias: np.ndarray) -> Mode:
        """RELU for sums that cannot be negative, so that none becomes so by rounding; SIGNED for others."""
        positive = all(s.source in self.non_negative and s.weights.min() >= 0 for s in segments) and bias.min() >= 0
        return Mode.RELU if positive else Mode.SIGNED

    def _finish(
        self, node: Node, segments: list[RealSegment], bias: np.ndarray, mode: Mode, upper: float | None = None
    ) -> None:
        """Add the layer that begins with `node`, with the ReLU and the max pooling behind it where they fit."""
        if not segments:
            raise ConversionError(f"node {node.name}: it reads zeros only; remove it from the network")
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

    def _average(self, node: AveragePool) -> list[RealSegment]:
        shape = source_shape(self.graph, node)
        if not _fits(node, shape):
            raise ConversionError(
                f"node {node.name}: its windows must lie inside the padded map, but output {node.shape[1:]} reaches "
                f"beyond it; switch ceil_mode off"
            )
        pixels = node.kernel[0] * node.kernel[1]
        weights = np.full((node.shape[0], *node.kernel), 1 / pixels)
        return channelwise(self.views[node.inputs[0]], weights, node.stride, node.padding[:2], splits=True)

    def _copy_pool(self, node: MaxPool) -> None:
        """Max pooling as a layer of its own: neurons copy the trains, zeros stand for the padding."""
        view = self.views[node.inputs[0]]
        source_size = source_shape(self.graph, node)
        channels = source_size[0]
        reach = [
            (count - 1) * stride + kernel
            for count, stride, kernel in zip(node.shape[1:], node.stride, node.kernel, strict=True)
        ]
        with_zeros = any(node.padding) or not _fits(node, source_size)
        if with_zeros and not all(part.source in {None, *self.non_negative} for part in view):
            raise ConversionError(
                f"node {node.name}: a max pooling with padding {node.padding} needs an input that is never negative; "
                f"put a ReLU before it or remove the padding"
            )
        rows, columns = (
            max(length, needed) if with_zeros else length for length, needed in zip(source_size[1:], reach, strict=True)
        )
        copied = channelwise(view, np.ones((channels, 1, 1)), padding=node.padding[:2])
        plan = LayerPlan(
            node.name, node.name, tuple(copied), (channels, rows, columns), node.shape, Mode.PASS, np.zeros(channels),
            pool=Pool(node.kernel, node.stride),
        )  # fmt: skip
        self._add(plan, [node])

    def _add(self, plan: LayerPlan, absorbed: list[Node]) -> None:
        self.layers.append(plan)
        self.views.update({node.name: whole(plan.name, plan.shape[0]) for node in absorbed})
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


def _identity_logits(output: Node, view: View) -> LayerPlan:
    """A last layer that hands on the values of `output`."""
    return LayerPlan(
        f"{output.name}_logits", output.name, tuple(identity(view)), output.shape, output.shape, Mode.LOGITS,
        np.zeros(output.shape[0]),
    )  # fmt: skip


def _needs_shared_scale(logits: LayerPlan) -> set[str]:
    """The sources that must have one lam: one unit for all logits leaves lane-wise weights no freedom."""
    return {segment.source for segment in logits.segments if segment.splits or segment.kind is Kind.LANEWISE}


def _copies(layers: list[LayerPlan], tensors: set[str]) -> set[str]:
    """`tensors` and all tensors that they copy through max pooling: they have the same lam."""
    names = set(tensors)
    for layer in reversed(layers):
        if layer.name in names and layer.mode is Mode.PASS:
            names.update(segment.source for segment in layer.segments)
    return names
