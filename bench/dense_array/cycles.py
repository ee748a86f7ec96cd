"""Cycles of the dense array for a network: nothing in them depends on the data."""

from math import prod

from trispike.network import Kind, Layer, Network

from .array import QUANTISED, WORD

DRAIN = 45
"""Cycles from a layer's last product word to its last output word, and from its start to the first; measured by
tests/bench/test_dense_array.py."""


def ceil_div(value: int, divisor: int) -> int:
    """value / divisor, rounded up."""
    return -(-value // divisor)


def pass_cycles(words: int, columns: int) -> int:
    """A pass over a window of so many words; quantising its sums must fit in as well."""
    return max(words * WORD, WORD * columns // QUANTISED)


def layer_cycles(pixels: int, outputs: int, words: int, columns: int) -> int:
    """A layer of `outputs` channels whose windows hold `words` words of eight channels."""
    return ceil_div(pixels, WORD) * ceil_div(outputs, columns) * pass_cycles(words, columns)


def network_cycles(network: Network, columns: int) -> int:
    """From input in to answer out, with one layer behind the other.

    In the rival's favour residual sums take no time, the host packs the windows of a first layer with few channels
    without gaps, a layer with one pixel spreads over all rows, and pixels fill the rows whatever the map's width.
    """
    answer = network.layers[-1].neurons[0]
    return ceil_div(prod(network.input_shape), 4) + sum(_layer(layer, columns) for layer in network.layers) + answer


def _layer(layer: Layer, columns: int) -> int:
    outputs, height, width = layer.neurons
    words = 0
    for segment in layer.segments:
        if segment.kind is Kind.LANEWISE:
            continue  # a residual sum
        _, channels, *kernel = segment.weights.shape
        words += ceil_div(channels * prod(kernel), WORD) if channels < WORD else ceil_div(channels, WORD) * prod(kernel)
    if height * width == 1:
        words = ceil_div(words, WORD)
    return layer_cycles(height * width, outputs, words, columns) + DRAIN
