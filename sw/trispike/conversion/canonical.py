"""Rewrites of a float graph that leave its function as it is and make its patterns few.

After `canonical` every ReLU stands directly behind the node that computes its input (never behind a max pooling or a
concatenation), no two ReLUs follow one another, a global average and the linear layer at the output are one
convolution, what works channel by channel does so before a concatenation or a shuffle of channels where that costs no
layers, a batch norm before a convolution is part of it where padding allows, averages divide by the same number
everywhere, no concatenation has many sources, and nothing is left that the output does not depend on.
"""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from ..errors import ConversionError
from ..graph import Add, Affine, AveragePool, Concat, Conv, Graph, MaxPool, Node, Pad, Relu, Select
from ..network import INPUT
from .averages import plain_averages
from .joints import channelwise_before_concats, channelwise_before_shuffles, with_few_sources

MOST_SHARED = 1 << 14
"""Synapses of an answer up to which an average and the linear layer at the output become one.

The sum of its weights must fit the accumulator, which has 18 bits in all presets: with more synapses they would have
less than some 40 levels to either side, and lose more than an average that is rounded."""

SUPPORTED = (Conv, Relu, MaxPool, AveragePool, Add, Affine, Concat, Pad, Select)


def canonical(graph: Graph) -> Graph:
    """An equivalent graph in canonical form.

    Raises:
        ConversionError: if a node has no spiking counterpart, naming it.
    """
    for node in graph.nodes:
        _check(node)
    nodes = _live(graph.nodes)
    for rewrite in (
        _without_average_before_output,
        _affines_into_convolutions,
        channelwise_before_shuffles,
        channelwise_before_concats,
        _relus_before_max_pools,
        _without_repeated_relus,
        lambda nodes: plain_averages(nodes, graph.input_shape),
        with_few_sources,
    ):
        nodes = _live(rewrite(nodes))
    return replace(graph, nodes=nodes)


def consumers(nodes: Iterable[Node], name: str) -> list[Node]:
    """The nodes that read tensor `name`."""
    return [node for node in nodes if name in node.inputs]


def sole_consumer(nodes: Iterable[Node], name: str) -> Node | None:
    """The node that reads tensor `name`, None if there is none or more than one."""
    readers = consumers(nodes, name)
    return readers[0] if len(readers) == 1 else None


def source_shape(graph: Graph, node: Node) -> tuple[int, int, int]:
    """Shape of the first input of `node`."""
    return next((other.shape for other in graph.nodes if other.name == node.inputs[0]), graph.input_shape)


def is_global(node: AveragePool, source: tuple[int, int, int]) -> bool:
    """Whether `node` averages over its whole input of shape `source`."""
    return node.kernel == source[1:] and not any(node.padding) and node.shape[1:] == (1, 1)


def _check(node: Node) -> None:
    if not isinstance(node, SUPPORTED):
        names = ", ".join(kind.__name__ for kind in SUPPORTED)
        raise ConversionError(
            f"node {node.name}: {type(node).__name__} has no spiking counterpart; supported are {names}"
        )
    if node.name == INPUT:
        raise ConversionError(f"node {node.name}: this name belongs to the network input; rename the node")


def _live(nodes: tuple[Node, ...]) -> tuple[Node, ...]:
    """The nodes that the last one depends on."""
    wanted, kept = {nodes[-1].name}, []
    for node in reversed(nodes):
        if node.name in wanted:
            wanted.update(node.inputs)
            kept.append(node)
    return tuple(reversed(kept))


def _affines_into_convolutions(nodes: tuple[Node, ...]) -> tuple[Node, ...]:
    """A batch norm that convolutions alone read becomes part of them, unless their padding would meet its shift."""
    made: dict[str, Node] = {node.name: node for node in nodes}
    for affine in nodes[:-1]:
        if not isinstance(affine, Affine):
            continue
        readers = [node for node in nodes if affine.name in node.inputs]
        convolutions = [node for node in readers if isinstance(node, Conv)]
        if convolutions == readers and not (affine.shift.any() and any(any(conv.padding) for conv in convolutions)):
            made.update({conv.name: _after_affine(conv, affine) for conv in convolutions})
    return tuple(made.values())


def _after_affine(conv: Conv, affine: Affine) -> Conv:
    outputs, per_group = conv.weights.shape[:2]
    inputs = np.arange(outputs)[:, None] // (outputs // conv.groups) * per_group + np.arange(per_group)
    shift = np.einsum("oikl,oi->o", conv.weights, affine.shift[inputs])
    weights = conv.weights * affine.scale[inputs][:, :, None, None]
    return replace(conv, inputs=affine.inputs, weights=weights, bias=conv.bias + shift)


def _relus_before_max_pools(nodes: tuple[Node, ...]) -> tuple[Node, ...]:
    """max pooling then ReLU = ReLU then max pooling, because the ReLU is monotonic."""
    shapes = {node.name: node.shape for node in nodes}
    for index, relu in enumerate(nodes):
        pool = next((node for node in nodes[:index] if node.name == relu.inputs[0]), None)
        if not (isinstance(relu, Relu) and isinstance(pool, MaxPool) and sole_consumer(nodes, pool.name) is relu):
            continue
        if pool.inputs[0] not in shapes:  # the pool reads the network input: there is no layer to move the ReLU into
            continue
        first = replace(relu, inputs=pool.inputs, shape=shapes[pool.inputs[0]])
        second = replace(pool, inputs=(relu.name,))
        after = _renamed(nodes[index + 1 :], relu.name, pool.name)
        before = tuple(node for node in nodes[:index] if node is not pool)
        return _relus_before_max_pools((*before, first, second, *after))
    return nodes


def _without_repeated_relus(nodes: tuple[Node, ...]) -> tuple[Node, ...]:
    """ReLU of a ReLU = one ReLU with the smaller upper limit."""
    for index, second in enumerate(nodes):
        first = next((node for node in nodes[:index] if node.name == second.inputs[0]), None)
        if isinstance(first, Relu) and isinstance(second, Relu) and sole_consumer(nodes, first.name) is second:
            limits = [relu.upper for relu in (first, second) if relu.upper is not None]
            merged = replace(second, inputs=first.inputs, upper=min(limits, default=None))
            kept = (merged if node is second else node for node in nodes if node is not first)
            return _without_repeated_relus(tuple(kept))
    return nodes


def _without_average_before_output(nodes: tuple[Node, ...]) -> tuple[Node, ...]:
    """A global average and the linear layer at the output, in either order, as one convolution over all pixels.

    Nothing is rounded between the two, and the average costs no layer of its own. With more than `MOST_SHARED` synapses
    they stay two.
    """
    body = nodes[:-1] if isinstance(nodes[-1], Relu) else nodes
    if len(body) < 2 or body[-1].inputs != (body[-2].name,):
        return nodes
    average, linear = (body[-2], body[-1]) if isinstance(body[-1], Conv) else (body[-1], body[-2])
    if not (isinstance(average, AveragePool) and isinstance(linear, Conv) and _is_pointwise(linear)):
        return nodes
    size = average.kernel
    pixels = size[0] * size[1]
    if pixels * linear.weights.shape[1] > MOST_SHARED:
        return nodes
    if any(average.padding) or body[-1].shape[1:] != (1, 1) or _covers_less(nodes, body[-2], size):
        return nodes
    weights = np.broadcast_to(linear.weights / pixels, (*linear.weights.shape[:2], *size)).copy()
    merged = replace(linear, name=body[-1].name, inputs=body[-2].inputs, shape=body[-1].shape, weights=weights)
    return (*nodes[: len(body) - 2], merged, *nodes[len(body) :])


def _is_pointwise(conv: Conv) -> bool:
    return conv.weights.shape[2:] == (1, 1) and conv.stride == (1, 1) and not any(conv.padding)


def _covers_less(nodes: tuple[Node, ...], first: Node, size: tuple[int, int]) -> bool:
    """Whether a window of `size` leaves out pixels of the tensor that `first` reads, or is not known to cover it."""
    shapes = [node.shape for node in nodes if node.name == first.inputs[0]]
    return not shapes or shapes[0][1:] != size


def _renamed(nodes: tuple[Node, ...], old: str, new: str) -> tuple[Node, ...]:
    return tuple(replace(node, inputs=tuple(new if name == old else name for name in node.inputs)) for node in nodes)
