"""Constant memory: theta, phi and bias of every tile of every layer."""

from collections.abc import Sequence

import numpy as np

from trispike_hw.architecture import Architecture
from trispike_hw.layout import constant_word, pack

from ..errors import PlacementError
from ..network import Layer
from .shortage import Shortage
from .tensors import ceil_div


def constant_words(layers: Sequence[Layer], arch: Architecture) -> tuple[tuple[int, ...], list[int]]:
    """Words of the constant memory and, per layer, the number of its first tile in it.

    Neurons that only fill the last tile get the largest threshold, so that they never fire.

    Raises:
        Shortage: if the constant memory is too small.
        PlacementError: naming layer, channel and both widths, if a constant does not fit its field.
    """
    words: list[int] = []
    first_tiles: list[int] = []
    tiles = 0
    layout = constant_word(arch)
    for layer in layers:
        check_constants(layer, arch)
        first_tiles.append(tiles)
        channels = layer.neurons[0]
        tiles += ceil_div(channels, arch.columns)
        never = (1 << arch.threshold_bits) - 1
        neurons = [
            {"theta": int(theta), "below_phi": max(int(phi) - 1, 0), "bias": int(bias)}  # phi 0: nothing compares
            for theta, phi, bias in zip(layer.theta, layer.phi, layer.bias, strict=True)
        ]
        neurons += [{"theta": 0, "below_phi": never, "bias": 0}] * (-channels % arch.columns)
        for start in range(0, len(neurons), arch.constant_width):
            words.append(pack(layout, neurons[start : start + arch.constant_width]))
    if tiles > arch.constant_tiles:
        raise Shortage("the network", "constant_tiles", "tiles of constants", tiles, arch.constant_tiles)
    return tuple(words), first_tiles


def check_constants(layer: Layer, arch: Architecture) -> None:
    """Refuse constants that their fields do not hold."""
    for name, values, field in (
        ("theta", layer.theta, "threshold_bits"),
        ("phi", layer.phi, "threshold_bits"),
        ("bias", layer.bias, "bias_bits"),
    ):
        available = getattr(arch, field)
        signed = field == "bias_bits"
        low, high = (-(1 << available - 1), (1 << available - 1) - 1) if signed else (0, (1 << available) - 1)
        wrong = np.flatnonzero((np.asarray(values) < low) | (np.asarray(values) > high))
        if wrong.size:
            channel = int(wrong[0])
            value = int(values[channel])
            if value < 0 and not signed:
                raise PlacementError(
                    f"layer {layer.name}, channel {channel}: {name} must not be negative, but is {value}; "
                    f"convert the network again"
                )
            needed = (value if value >= 0 else ~value).bit_length() + signed
            raise PlacementError(
                f"layer {layer.name}, channel {channel}: {name} = {value} needs {needed} bits, but architecture "
                f"{arch.name} has {field} = {available}; choose a larger {field} or convert with a larger unit"
            )
