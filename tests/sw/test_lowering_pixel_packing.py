"""Several output pixels to a word: when the lowering does it, and that it computes the same."""

from dataclasses import replace

import numpy as np
import pytest
from emulation import check
from hypothesis import given, settings
from hypothesis import strategies as st
from random_networks import random_image
from test_lowering import BASE, SMALL, changed, conv, layer, lenet, logits, network, refusal

from trispike.emulator.words import parse_program
from trispike.lowering import code, lower
from trispike.lowering.pixel_packing import pack_pixels, packable
from trispike.lowering.task import Task
from trispike.network import INPUT, Kind, Mode, Network, Pool, Segment
from trispike.program import InputPacking
from trispike_hw.layout import Sink


def names(task: Task) -> dict[str, tuple[int, ...]]:
    return {layer.name: counts for layer, counts in packable(task, 16)}


def packed_lower(net: Network, name: str, pixels: int, monkeypatch: pytest.MonkeyPatch):
    """`net` on SMALL with layer `name` packed, whatever it costs."""
    task = Task.of(net)
    wanted = next(layer for layer in task.layers if layer.name == name)
    packed = pack_pixels(task, wanted, pixels, SMALL.columns)
    with monkeypatch.context() as patch:
        patch.setattr(Task, "of", classmethod(lambda cls, net: packed))
        return lower(net, SMALL)


def two_layers(channels: int, width: int, pool: Pool | None = None, **fields: tuple[int, int]) -> Network:
    """A convolution of `channels` channels over a map of `width` columns, another one over its output, and the answer;
    `fields` are those of the first."""
    first = layer("first", (channels, 6, width), conv(INPUT, channels, 3, 3, padding=(1, 1), **fields), pool=pool)
    shape = (5, first.shape[1], first.shape[2])
    second = layer("second", shape, conv("first", 5, channels, 3, padding=(1, 1)))
    source = (3, 6, width * fields.get("stride", (1, 1))[1])
    return network(source, first, second, logits("second", shape), time_steps=4)


def test_lenet_computes_two_pixels_at_a_time() -> None:
    program = lower(lenet(), SMALL)
    assert program.input_packing == InputPacking(kernel=5, stride=1, top=2)
    conv1, conv2, *_ = parse_program(program.program)
    assert conv1.counts == (2, 2, 7, 14, 1)  # pairs of pooled pixels
    assert conv1.segments[0].fields["bit_length"] == 5 * (5 + 2)  # the neighbour's window lies two columns on
    place = program.placements["conv1"]
    assert (place.channels, place.columns, place.channel_pitch) == (6, 14, 8)
    assert conv2.segments[0].fields["bit_length"] == 5 * 8
    net = lenet()
    check(program, [random_image(net, 0), random_image(net, 1)])


def test_it_is_done_where_it_saves_cycles(monkeypatch: pytest.MonkeyPatch) -> None:
    packed = lower(lenet(), SMALL).cycles
    monkeypatch.setattr(code, "packable", lambda task, columns: ())
    plain = lower(lenet(), SMALL).cycles
    assert packed[0] < 0.7 * plain[0]
    assert sum(packed) < sum(plain)


def test_it_may_be_what_makes_a_tensor_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twelve pixels of four channels, then one of 16: three words a row and step, not twelve."""
    net = network(
        (1, 16, 12),
        layer("wide", (4, 16, 12), conv(INPUT, 4, 1, 1)),
        logits("wide", (4, 16, 12)),
    )
    tight = changed(BASE, spike_words=768)
    assert lower(net, tight).placements["wide"].channel_pitch == 4
    monkeypatch.setattr(code, "packable", lambda task, columns: ())
    assert refusal(net, tight).startswith("spike memory with tensor wide (8 steps of 192 words) needs")


def test_numbers_of_pixels() -> None:
    for channels, counts in ((1, (2, 4, 8, 16)), (2, (2, 4, 8)), (4, (2, 4)), (5, (2,)), (8, (2,)), (9, None)):
        found = names(Task.of(two_layers(channels, 8)))
        assert found.get("first") == counts
    assert "first" not in names(Task.of(two_layers(4, 1)))


def test_who_may_not() -> None:
    net = two_layers(4, 8)
    task = Task.of(net)
    assert set(names(task)) == {"first", "second"}
    assert set(names(replace(task, sinks={"first": Sink.BOTH}))) == {"second"}
    first, second, last = net.layers
    signed = replace(first, mode=Mode.SIGNED)
    assert set(names(replace(task, layers=(signed, second, last)))) == {"first", "second"}
    copied = replace(first, mode=Mode.PASS)
    assert set(names(replace(task, layers=(copied, second, last)))) == {"second"}
    spread = replace(second, segments=(replace(second.segments[0], dilation=(1, 2)),))
    assert set(names(replace(task, layers=(first, spread, last)))) == {"first"}
    lanewise = Segment("first", Kind.LANEWISE, np.ones((4, 1, 1), np.int64))
    beside = replace(second, segments=(*second.segments, lanewise))
    assert names(replace(task, layers=(first, beside, last))) == {}


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    channels=st.integers(1, 8),
    width=st.integers(2, 9),
    stride=st.integers(1, 3),
    pool=st.sampled_from([None, (1, 2), (2, 2), (2, 1), (3, 2), (1, 3)]),
    choice=st.integers(0, 3),
    data=st.integers(0, 1 << 16),
)
def test_every_form_equals_the_golden_model(
    channels: int, width: int, stride: int, pool: tuple[int, int] | None, choice: int, data: int
) -> None:
    """Strides, pooling windows that overlap or leave gaps, widths that no number of pixels divides."""
    pooling = Pool((1, min(pool[0], width)), (1, pool[1])) if pool else None
    net = two_layers(channels, width, pooling, stride=(1, stride))
    counts = names(Task.of(net)).get("first")
    if counts is None:  # pooled to a single column
        return
    with pytest.MonkeyPatch.context() as monkeypatch:
        program = packed_lower(net, "first", counts[choice % len(counts)], monkeypatch)
    assert program.placements["first"].channel_pitch < 16
    check(program, [random_image(net, data)])
