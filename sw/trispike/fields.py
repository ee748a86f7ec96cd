"""Fields of packed words: names, shapes and values of the struct layouts of `trispike_hw.layout`."""

from typing import Any

import numpy as np
from amaranth.hdl import Shape
from amaranth.lib import data


def shapes_of(struct: Any) -> dict[str, Shape]:
    """Shape of every field of a struct layout, in order."""
    return {key: Shape.cast(shape) for key, shape in _layout(struct).members.items()}


def fields_of(struct: Any, word: int) -> dict[str, Any]:
    """Every field of a packed word; enumerations as their members, structs and arrays as constants."""
    const = _layout(struct).from_bits(word)
    return {key: getattr(const, key) for key in _layout(struct).members}


def columns_of(struct: Any, words: np.ndarray) -> dict[str, np.ndarray]:
    """Every field of packed words uint64 [n] as its bits, int64 [n]; for many words at once."""
    fields = {}
    for key, field in _layout(struct):
        width = Shape.cast(field.shape).width
        fields[key] = (words >> np.uint64(field.offset) & np.uint64((1 << width) - 1)).astype(np.int64)
    return fields


def wrapped(value: int, shape: Shape) -> int:
    """`value` modulo the width of `shape`, in its range."""
    value %= 1 << shape.width
    return value - (1 << shape.width) if shape.signed and value >> (shape.width - 1) else value


def _layout(struct: Any) -> data.StructLayout:
    layout = data.Layout.cast(struct)
    assert isinstance(layout, data.StructLayout)
    return layout
