"""Whether a spiking network is consistent: every layer against the rules of `trispike.network`, before it runs."""

import numpy as np

from ..errors import ConversionError
from ..network import INPUT, Kind, Layer, Mode, Network, Segment
from .pooling import pooled_size

_MAX_TIME_STEPS = 16


def check_network(network: Network) -> None:
    """Refuse a network that the numerics do not define.

    Raises:
        ConversionError: for the first rule that is broken.
    """
    if not 1 <= network.time_steps <= _MAX_TIME_STEPS:
        raise ConversionError(
            f"network {network.name}: time_steps must lie in 1..{_MAX_TIME_STEPS}, not {network.time_steps}"
        )
    _check_input(network)
    shapes = {INPUT: network.coded_shape}
    for layer in network.layers:
        last = layer is network.layers[-1]
        if (layer.mode is Mode.LOGITS) != last:
            raise ConversionError(
                f"layer {layer.name}: mode logits belongs to the last layer and to no other, but the "
                f"{'last' if last else 'inner'} layer has mode {layer.mode.value}"
            )
        _check_neurons(layer, network.time_steps)
        for segment in layer.segments:
            if segment.source not in shapes:
                raise ConversionError(
                    f"layer {layer.name}: source {segment.source} is not computed before it; "
                    f"known tensors are {', '.join(shapes)}"
                )
            _check_weights(layer, segment, shapes[segment.source])
        if layer.name in shapes:
            raise ConversionError(f"layer {layer.name}: the name is taken by another tensor; choose a different one")
        shapes[layer.name] = layer.shape


def _check_input(network: Network) -> None:
    channels, offset = network.input_shape[0], network.input_offset
    if offset is not None and (offset.shape != (channels,) or not np.isfinite(offset).all()):
        raise ConversionError(
            f"network {network.name}: input_offset must be {channels} finite numbers, not shape {offset.shape}"
        )
    if min(network.input_padding) < 0:
        raise ConversionError(
            f"network {network.name}: input_padding must not be negative, but is {network.input_padding}"
        )


def _check_neurons(layer: Layer, time_steps: int) -> None:
    limit = 0 if layer.mode in (Mode.PASS, Mode.LOGITS) else time_steps
    if not 0 <= layer.silent <= limit:
        raise ConversionError(
            f"layer {layer.name}: silent must lie in 0..{limit} in mode {layer.mode.value}, not {layer.silent}"
        )
    channels, *size = layer.neurons
    for name in ("bias", "theta", "phi"):
        constants = getattr(layer, name)
        if constants.shape != (channels,) or not np.issubdtype(constants.dtype, np.integer):
            raise ConversionError(
                f"layer {layer.name}: {name} must be {channels} integers, "
                f"not {constants.dtype} of shape {constants.shape}"
            )
    if layer.mode in (Mode.RELU, Mode.SIGNED) and (layer.theta.min() < 1 or layer.phi.min() < 1):
        raise ConversionError(
            f"layer {layer.name}: theta and phi must be at least 1, not {layer.theta.min()} and {layer.phi.min()}"
        )
    expected = (channels, *(pooled_size(tuple(size), layer.pool) if layer.pool else size))
    if layer.pool and min(expected) < 1:
        raise ConversionError(
            f"layer {layer.name}: the pooling window {layer.pool.kernel} must fit into the map of {size[0]} x {size[1]}"
        )
    if layer.shape != expected:
        raise ConversionError(
            f"layer {layer.name}: the output shape must be {expected}, as neurons and pooling give, not {layer.shape}"
        )
    if layer.mode is Mode.LOGITS and tuple(size) != (1, 1):
        raise ConversionError(f"layer {layer.name}: logits must have 1 x 1 pixels, not {size[0]} x {size[1]}")


def _check_weights(layer: Layer, segment: Segment, source: tuple[int, int, int]) -> None:
    channels = layer.neurons[0]
    lanewise = segment.kind is Kind.LANEWISE
    read = segment.inputs.stop - segment.first if segment.first or not lanewise else source[0]
    leading = (channels,) if lanewise else (channels, min(read, source[0] - segment.first))
    lanes_differ = lanewise and (source[0] != channels or segment.first != 0)
    if lanes_differ or segment.weights.ndim != len(leading) + 2 or segment.weights.shape[:-2] != leading:
        raise ConversionError(
            f"layer {layer.name}: {segment.kind.value} weights from {source[0]} to {channels} channels cannot have "
            f"shape {segment.weights.shape}"
        )
