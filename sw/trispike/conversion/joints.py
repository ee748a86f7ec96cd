"""Concatenations and choices of channels, rewritten so that the layers that read them need few segments."""

from dataclasses import replace

import numpy as np

from ..graph import Affine, AveragePool, Concat, Conv, MaxPool, Node, Pad, Relu, Select
from ..network import INPUT

MOST_SOURCES = 6  #: of a tensor that layers read: leaves 2 of the presets' 8 segments to split an identity


def is_channelwise(node: Node) -> bool:
    """Whether every channel of the output depends on the same channel of the input alone."""
    if isinstance(node, Conv):
        return node.groups == node.weights.shape[0] and node.weights.shape[1] == 1
    return isinstance(node, Relu | MaxPool | AveragePool | Affine)


def channels_of(node: Node, channels: np.ndarray | slice) -> Node:
    """A node that works channel by channel for some channels of its input, in that order."""
    count = len(np.arange(node.shape[0])[channels])
    shape = (count, *node.shape[1:])
    match node:
        case Conv():
            return replace(node, shape=shape, weights=node.weights[channels], bias=node.bias[channels], groups=count)
        case Affine():
            return replace(node, shape=shape, scale=node.scale[channels], shift=node.shift[channels])
        case _:
            return replace(node, shape=shape)


def channelwise_before_shuffles(nodes: tuple[Node, ...]) -> tuple[Node, ...]:
    """What works channel by channel behind a permutation of channels works before it, on the tensor as it stands."""
    made: dict[str, Node] = {}
    for node in nodes:
        shuffle = made.get(node.inputs[0])
        if not isinstance(shuffle, Select) or not is_channelwise(node) or not _is_permutation(shuffle):
            made[node.name] = node
            continue
        before = replace(channels_of(node, np.argsort(shuffle.channels)), name=f"{node.name}/in_order")
        made[before.name] = replace(before, inputs=shuffle.inputs)
        made[node.name] = Select(node.name, (before.name,), node.shape, shuffle.channels)
    return tuple(made.values())


def _is_permutation(select: Select) -> bool:
    return len(select.channels) == len(set(select.channels)) == max(select.channels) + 1


def channelwise_before_concats(nodes: tuple[Node, ...]) -> tuple[Node, ...]:
    """What works channel by channel on a concatenation works on each of its inputs, whose layers may then hold it.

    A ReLU or a batch norm stays behind a concatenation where it would need layers of its own on the inputs.
    """
    readers: dict[str, int] = {}
    for name in (name for node in nodes for name in node.inputs):
        readers[name] = readers.get(name, 0) + 1
    made: dict[str, Node] = {}
    for node in nodes:
        joint = made.get(node.inputs[0])
        if not isinstance(joint, Concat) or not is_channelwise(node) or INPUT in joint.inputs:
            made[node.name] = node
            continue
        alone = all(readers.get(name, 1) == 1 for name in (joint.name, *joint.inputs))
        if isinstance(node, Relu | Affine) and not alone:
            made[node.name] = node
            continue
        parts, first = [], 0
        for number, name in enumerate(joint.inputs):
            channels = slice(first, first + made[name].shape[0])
            part = replace(channels_of(node, channels), name=f"{node.name}/{number}", inputs=(name,))
            made[part.name] = part
            parts.append(part.name)
            first = channels.stop
        made[node.name] = Concat(node.name, tuple(parts), node.shape)
    return tuple(made.values())


def with_few_sources(nodes: tuple[Node, ...]) -> tuple[Node, ...]:
    """Where a concatenation would have layers read more than `MOST_SOURCES` tensors, copies of some of them together.

    A max pooling with windows of one pixel is such a copy: a layer that hands on trains as they are.
    """
    made: dict[str, Node] = {}
    sources: dict[str, frozenset[str]] = {}
    copies: dict[tuple[str, ...], str] = {}
    for node in nodes:
        if isinstance(node, Concat):
            node = replace(node, inputs=_few(node.inputs, made, sources, copies))
        found = frozenset[str]().union(*(sources.get(name, frozenset({name})) for name in node.inputs))
        sources[node.name] = found if isinstance(node, Concat | Select | Pad) else frozenset({node.name})
        made[node.name] = node
    return tuple(made.values())


def _few(
    inputs: tuple[str, ...],
    made: dict[str, Node],
    sources: dict[str, frozenset[str]],
    copies: dict[tuple[str, ...], str],
) -> tuple[str, ...]:
    """`inputs` of a concatenation with neighbours replaced by their copy until together they have few sources."""

    def count(names: tuple[str, ...]) -> int:
        return len(frozenset[str]().union(*(sources.get(name, frozenset({name})) for name in names)))

    while count(inputs) > MOST_SOURCES:
        runs = [(first, last) for first in range(len(inputs)) for last in range(first + 1, len(inputs) + 1)]
        fitting = [(count(inputs[first:last]), -first, last) for first, last in runs]
        _, first, last = max(run for run in fitting if run[0] <= MOST_SOURCES)
        joint = inputs[-first:last]
        if joint not in copies:
            copies[joint] = _copy(joint, made, sources)
        inputs = (*inputs[:-first], copies[joint], *inputs[last:])
    return inputs


def _copy(joint: tuple[str, ...], made: dict[str, Node], sources: dict[str, frozenset[str]]) -> str:
    """Add a copy of the tensors `joint` one behind the other; its name."""
    shapes = [made[name].shape for name in joint]
    shape = (sum(shape[0] for shape in shapes), *shapes[0][1:])
    whole = joint[0]
    if len(joint) > 1:
        whole = f"{joint[-1]}/joint"
        made[whole] = Concat(whole, joint, shape)
    name = f"{whole}/copy"
    made[name] = MaxPool(name, (whole,), shape, (1, 1), (1, 1))
    sources[name] = frozenset({name})
    return name
