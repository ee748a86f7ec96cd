"""Packing of words: the bits that Amaranth itself gives a layout's fields, and refusal of what does not fit."""

from typing import Any

import pytest
from amaranth.hdl import Const, Shape
from amaranth.lib import data, enum
from hypothesis import given
from hypothesis import strategies as st

from trispike_hw.architecture import preset
from trispike_hw.layout import Command, LayerShape, Load, Mode, Opcode, Position, Sink, constant_word, pack, weight_row

ARCH = preset("base")
LAYOUTS = [Position, Load, Command, LayerShape, constant_word(ARCH), weight_row(ARCH)]


def values_of(layout: Any) -> st.SearchStrategy:
    """Values of every field of a layout, in its range."""
    if isinstance(layout, enum.EnumType):
        return st.sampled_from(list(layout))
    if not isinstance(layout, data.Layout) and not isinstance(layout, type):
        shape = Shape.cast(layout)
        low = -(1 << shape.width - 1) if shape.signed else 0
        return st.integers(low, low + (1 << shape.width) - 1)
    fields = {key: values_of(field.shape) for key, field in data.Layout.cast(layout)}
    if all(isinstance(key, int) for key in fields):
        return st.tuples(*fields.values()).map(list)
    return st.fixed_dictionaries(fields)


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: getattr(layout, "__name__", "array"))
@given(data=st.data())
def test_packs_as_amaranth_does(layout, data):
    values = data.draw(values_of(layout))
    expected = Const.cast(layout.const(values)).value % (1 << Shape.cast(layout).width)
    assert pack(layout, values) == expected


def test_missing_fields_are_zero() -> None:
    assert pack(LayerShape, {}) == 0
    assert pack(LayerShape, {"mode": Mode.PASS, "sink": Sink.EXPORT}) == pack(LayerShape, {"mode": 2, "sink": 2})
    assert pack(Command, {"opcode": Opcode.RUN}) == pack(Command, {"opcode": Opcode.RUN.value})


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match=r"time_steps must lie in 0..31, not 32"):
        pack(LayerShape, {"time_steps": 32})
    with pytest.raises(ValueError, match=r"below_phi must lie in 0..65535, not -1"):
        pack(constant_word(ARCH), [{"below_phi": -1}])
    with pytest.raises(KeyError):
        pack(LayerShape, {"tempo": 1})
