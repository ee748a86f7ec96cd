"""Gaps that let the banks turn up in time, and tensors that replace their sources."""

from dataclasses import replace

import numpy as np
import pytest
from test_lowering_tensors import chain

from trispike.fields import fields_of
from trispike.lowering.alignment import _reads, aligned
from trispike.lowering.alignment import reading as words_and_waits
from trispike.lowering.choice import whole_choices
from trispike.lowering.lower import lower
from trispike.lowering.task import Task
from trispike.lowering.tensors import PLAIN, buffers, output_format, place_tensors
from trispike.network import INPUT, Kind, Network, Pool, Segment
from trispike_hw.architecture import preset
from trispike_hw.layout import HEADER_WORDS, SEGMENT_WORDS, LayerShape

BASE = preset("base")


def convolution(kernel: int, size: int = 12) -> Network:
    """A chain whose second layer has a kernel of kernel x kernel, without padding."""
    network = chain(3, size)
    first, second, last = network.layers
    weights = np.ones((16, 16, kernel, kernel), np.int64)
    shape = (16, size - kernel + 1, size - kernel + 1)
    second = replace(second, segments=(Segment("l0", Kind.BROADCAST, weights),), neurons=shape, shape=shape)
    return replace(network, layers=(first, second, replace(last, neurons=shape, shape=shape)))


def residual(**changes: object) -> Network:
    """l2 = l1 pointwise + l0 lane by lane."""
    network = chain(4, 5)
    identity = replace(
        Segment("l0", Kind.LANEWISE, np.ones((16, 1, 1), np.int64)),
        **{key: value for key, value in changes.items() if key in ("padding", "stride")},
    )
    layers = list(network.layers)
    layers[2] = replace(layers[2], segments=(*layers[2].segments, identity, identity))
    if "pool" in changes:
        layers[2] = replace(layers[2], pool=changes["pool"])
    if changes.get("late"):
        layers[3] = replace(layers[3], segments=(*layers[3].segments, identity))
    return replace(network, layers=tuple(layers))


def test_hand_worked_waits() -> None:
    """Three rows of three words, 32 words apart, 8 banks: 5 cycles until the bank of the next row turns up, twice; the
    next step begins 3 * 32 + 3 - 8 words ahead of where the banks then are."""
    network = convolution(3, size=32)
    formats = {name: output_format((16, 32, 32), 16) for name in (INPUT, "l0", "l1")}
    [(source, read)] = _reads(network.layers[1], formats, False, BASE)

    def reading(pitch: int, plane: int) -> tuple[float, float]:
        return words_and_waits((read,), ((0, pitch % BASE.banks),), plane % BASE.banks, BASE.columns, BASE.banks)

    assert source == "l0"
    assert reading(formats["l0"].pitch, formats["l0"].plane) == (9, 5 + 5 + 5)
    assert reading(35, 32 * 35 + 1) == (9, 0)


def of_nine_channels() -> Network:
    """A kernel of 5 x 5 over nine channels: 400 weight rows if whole words are read, 225 column by column."""
    network = convolution(5)
    first, second, last = network.layers
    nine = {name: getattr(first, name)[:9] for name in ("bias", "theta", "phi", "scale", "unit")}
    shape = (9, 12, 12)
    first = replace(
        first, segments=(Segment(INPUT, Kind.BROADCAST, np.ones((9, 16, 1, 1), np.int64)),), neurons=shape, shape=shape,
        **nine,
    )  # fmt: skip
    weights = np.random.default_rng(5).integers(-99, 100, (16, 9, 5, 5))  # rows that are alike are kept once
    second = replace(second, segments=(Segment("l0", Kind.BROADCAST, weights),))
    return replace(network, layers=(first, second, last))


@pytest.mark.parametrize(("weight_rows", "segments", "follows"), [(1024, 1, 5), (256, 5, 1)])
def test_gaps_suit_the_columns_of_a_kernel_too(weight_rows: int, segments: int, follows: int) -> None:
    """What is read behind a word or a row of five stands in the bank behind it; the wait for the banks is counted."""
    program = lower(of_nine_channels(), BASE.model_copy(update={"weight_rows": weight_rows}))
    second = fields_of(LayerShape, int(program.program[HEADER_WORDS + SEGMENT_WORDS]))
    assert second["segments"] == segments
    assert (program.placements["l0"].pitch - follows) % BASE.banks == 0


def test_waits_for_banks_count_in_the_choice() -> None:
    """64 items of 8 steps on 8 lanes. Row by row the walk takes longest, column by column the reads: the banks suit
    rows and let four cycles pass between the words of a column."""
    network = of_nine_channels()
    task = Task.of(network)
    placements = place_tensors(task, PLAIN, BASE)
    choices = {
        len(choice.plan.segments): choice
        for choice in whole_choices(network.layers[1], placements, {INPUT: PLAIN}, 8, BASE)
        if not choice.tile_mode
    }
    walk = 0.19 * 9 * 25
    assert choices[1].cycles == pytest.approx(8 * (8 * (1 + walk) + 1))
    assert choices[5].cycles > 8 * 8 * (25 + 20 * 4)


@pytest.mark.parametrize("kernel", [1, 2, 3, 5])
def test_rows_and_steps_follow_one_another(kernel: int) -> None:
    network = convolution(kernel)
    tight = {INPUT: output_format(network.input_shape, 16)} | {
        layer.name: output_format(layer.shape, 16) for layer in network.layers[:-1]
    }
    formats = aligned(network.layers, tight, buffers(Task.of(network)), {INPUT}, False, BASE)
    place = formats["l0"]
    if kernel > 1:
        assert (place.pitch - kernel) % BASE.banks == 0
    assert (place.plane - (kernel - 1) * place.pitch - kernel) % BASE.banks == 0
    assert place.pitch < tight["l0"].pitch + BASE.banks


def test_without_room_there_are_no_gaps() -> None:
    network = convolution(3)
    placements = place_tensors(Task.of(network), PLAIN, BASE)
    assert placements["l0"].pitch > 12
    words = 8 * (12 * 12 + 12 * 12)  # input and l0; then l0 and l1, which is smaller
    full = BASE.model_copy(update={"spike_words": words})
    assert {place.pitch for place in place_tensors(Task.of(network), PLAIN, full).values()} == {12, 10}


def test_a_sum_replaces_its_identity() -> None:
    network = residual()
    assert buffers(Task.of(network)) == {INPUT: INPUT, "l0": "l0", "l1": "l1", "l2": "l0"}
    placements = place_tensors(Task.of(network), PLAIN, BASE)
    assert placements["l2"] == placements["l0"]


@pytest.mark.parametrize(
    "changes",
    [{"late": True}, {"pool": Pool((1, 1), (1, 1))}, {"padding": (1, 0)}],
    ids=["read later", "pool", "moved"],
)
def test_no_sum_replaces_what_others_need(changes: dict) -> None:
    assert buffers(Task.of(residual(**changes)))["l2"] == "l2"
