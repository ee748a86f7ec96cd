"""Lowering as a whole: what it chooses, and the sentences with which it refuses."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
from emulation import check
from random_networks import random_image
from shapes import PAIR

from trispike.emulator.words import parse_program
from trispike.errors import PlacementError
from trispike.lowering import choice, lower
from trispike.lowering.loops import Plan, plans
from trispike.network import INPUT, Kind, Layer, Mode, Network, Pool, Segment
from trispike.program import InputPacking
from trispike_hw.architecture import Architecture, build, preset
from trispike_hw.layout import Mode as MachineMode

SMALL, BASE = preset("small"), preset("base")


def layer(
    name: str, neurons: tuple[int, int, int], *segments: Segment, mode: Mode = Mode.RELU, pool: Pool | None = None
) -> Layer:
    channels, rows, columns = neurons
    shape = neurons
    if pool:
        shape = (
            channels,
            (rows - pool.kernel[0]) // pool.stride[0] + 1,
            (columns - pool.kernel[1]) // pool.stride[1] + 1,
        )
    zero, ones = np.zeros(channels, np.int64), np.ones(channels)
    fires = mode in (Mode.RELU, Mode.SIGNED)
    theta = zero + (30 if fires else 0)
    return Layer(name, segments, neurons, shape, mode, zero, theta, theta * 2 // 3, int(fires), ones, ones, pool)


def conv(source: str, outputs: int, inputs: int, kernel: int, **fields: tuple[int, int]) -> Segment:
    weights = np.random.default_rng(0).integers(-9, 10, (outputs, inputs, kernel, kernel))
    return Segment(source, Kind.BROADCAST, weights, **fields)


def logits(source: str, shape: tuple[int, int, int], classes: int = 10) -> Layer:
    weights = np.random.default_rng(1).integers(-9, 10, (classes, *shape))
    return layer("logits", (classes, 1, 1), Segment(source, Kind.BROADCAST, weights), mode=Mode.LOGITS)


def network(shape: tuple[int, int, int], *layers: Layer, time_steps: int = 8) -> Network:
    return Network("net", time_steps, shape, np.ones(shape[0]), layers)


def lenet() -> Network:
    return network(
        (1, 28, 28),
        layer("conv1", (6, 28, 28), conv(INPUT, 6, 1, 5, padding=(2, 2)), pool=Pool((2, 2), (2, 2))),
        layer("conv2", (16, 10, 10), conv("conv1", 16, 6, 5), pool=Pool((2, 2), (2, 2))),
        layer("fc1", (120, 1, 1), conv("conv2", 120, 16, 5)),
        layer("fc2", (84, 1, 1), conv("fc1", 84, 120, 1)),
        logits("fc2", (84, 1, 1)),
    )


def refusal(net: Network, arch: Architecture) -> str:
    with pytest.raises(PlacementError) as caught:
        lower(net, arch)
    return str(caught.value)


def changed(arch: Architecture, **fields: int) -> Architecture:
    return build(arch.model_dump() | {"name": "changed"} | fields)


def test_lenet_on_base() -> None:
    program = lower(lenet(), BASE)
    place = program.placements[INPUT]
    assert (place.channel_pitch, place.channels, place.rows, place.columns, place.pitch) == (1, 1, 28, 28, 2)
    layers = parse_program(program.program)
    assert [parsed.fields["mode"] for parsed in layers] == [MachineMode.RELU] * 4 + [MachineMode.LOGITS]
    conv1, conv2, fc1, fc2, last = layers
    assert conv1.counts == (2, 2, 7, 14, 1)  # two pixels a word
    assert conv1.segments[0].fields["bit_length"] == 5 + 2
    assert conv2.counts == (2, 2, 5, 5, 1)
    assert not conv2.fields["tile_mode"]
    assert (fc1.fields["tile_mode"], fc1.counts, fc1.fields["last_lanes"]) == (1, (1, 1, 1, 1, 1), 8)
    assert (fc2.fields["tile_mode"], fc2.counts, fc2.fields["last_lanes"]) == (1, (1, 1, 1, 1, 1), 6)
    assert last.counts[2] == 3  # two words of the 84 inputs an item: the answer store takes longer than a lane
    assert (last.fields["address"], last.fields["step_x"], last.fields["step_tile"]) == (0, 0, 1)
    assert {len(rows) for rows in program.weights} == {len(program.weights[0])}
    assert len(program.weights[0]) <= BASE.weight_rows


def test_lowering_is_deterministic() -> None:
    first, second = lower(lenet(), BASE), lower(lenet(), BASE)
    assert first.program.tobytes() == second.program.tobytes()
    assert first.constants == second.constants
    assert [rows.tobytes() for rows in first.weights] == [rows.tobytes() for rows in second.weights]


def test_wide_input_is_not_packed() -> None:
    net = network(
        (16, 8, 8),
        layer("conv", (16, 8, 8), conv(INPUT, 16, 16, 3, padding=(1, 1))),
        logits("conv", (16, 8, 8)),
    )
    program = lower(net, SMALL)
    assert program.input_packing == InputPacking(kernel=1, stride=1, top=0)
    assert program.placements[INPUT].channel_pitch == 16


def test_input_with_two_readers_is_not_packed_but_tight() -> None:
    net = network(
        (3, 8, 8),
        layer("a", (16, 8, 8), conv(INPUT, 16, 3, 3, padding=(1, 1))),
        layer("b", (16, 8, 8), conv(INPUT, 16, 3, 1), conv("a", 16, 16, 1)),
        logits("b", (16, 8, 8)),
    )
    program = lower(net, SMALL)
    assert program.input_packing == InputPacking(kernel=1, stride=1, top=0)
    assert (program.placements[INPUT].channel_pitch, program.placements[INPUT].pitch) == (3, 2)


def test_lanewise_input_stands_in_whole_words() -> None:
    weights = np.ones((3, 2, 2), np.int64)
    net = network(
        (3, 8, 8),
        layer("mean", (3, 4, 4), Segment(INPUT, Kind.LANEWISE, weights, stride=(2, 2))),
        logits("mean", (3, 4, 4)),
    )
    assert lower(net, SMALL).placements[INPUT].channel_pitch == 16


def test_shared_weights_of_a_global_average_are_stored_once() -> None:
    average = np.repeat(np.random.default_rng(0).integers(-9, 10, (10, 64, 1, 1)), 8, axis=2).repeat(8, axis=3)
    last = layer("logits", (10, 1, 1), Segment("conv", Kind.BROADCAST, average), mode=Mode.LOGITS)
    net = network((16, 8, 8), layer("conv", (64, 8, 8), conv(INPUT, 64, 16, 1)), last)
    program = lower(net, changed(SMALL, weight_rows=4 * 16 + 64))
    parsed = parse_program(program.program)[-1]
    assert parsed.counts == (1, 1, 8, 1, 1)  # a kernel column an item: few answers to add up, work for all lanes


@pytest.mark.parametrize("alike", [False, True], ids=["linear", "average"])
def test_every_spread_of_the_last_layer_gives_its_answer(monkeypatch: pytest.MonkeyPatch, alike: bool) -> None:
    """Kernel rows in groups, also in groups that the kernel is no multiple of, and rows in parts."""
    weights = np.random.default_rng(1).integers(-9, 10, (10, 20, 1, 1) if alike else (10, 20, 5, 4))
    last = Segment("conv", Kind.BROADCAST, np.broadcast_to(weights, (10, 20, 5, 4)).copy())
    net = network(
        (16, 5, 4),
        layer("conv", (20, 5, 4), conv(INPUT, 20, 16, 1)),
        layer("logits", (10, 1, 1), last, mode=Mode.LOGITS),
        time_steps=3,
    )
    spreads = set()

    def only(number: int, layer: Layer, *about: Any) -> Iterator[Plan]:
        found = list(plans(layer, *about))
        yield found[min(number, len(found) - 1)] if layer.mode is Mode.LOGITS else found[0]

    for number in range(60):
        monkeypatch.setattr(choice, "plans", partial(only, number))
        program = lower(net, SMALL)
        parsed = parse_program(program.program)[-1]
        spread = (*parsed.counts, parsed.segments[0].fields["rows"], parsed.segments[0].fields["bit_length"])
        if spread not in spreads:
            check(program, [random_image(net, 0)])
        spreads.add(spread)
    assert {spread[3] for spread in spreads} >= {1, 2, 3, 5} and {spread[2] for spread in spreads} >= {1, 2, 4, 8}


def test_layers_move_to_tile_mode_when_weights_do_not_fit() -> None:
    net = network(
        (16, 5, 5),
        layer("conv", (64, 5, 5), conv(INPUT, 64, 16, 3, padding=(1, 1))),
        logits("conv", (64, 5, 5), classes=3),
        time_steps=4,
    )
    roomy = changed(SMALL, weight_rows=4096)
    assert [parsed.fields["tile_mode"] for parsed in parse_program(lower(net, roomy).program)] == [0, 0]
    tight = changed(SMALL, weight_rows=64 * 25 + 2 * 144)
    program = lower(net, tight)
    assert [parsed.fields["tile_mode"] for parsed in parse_program(program.program)] == [1, 0]
    assert (program.load_list, program.external) == (0, None)


def test_weight_memory_too_small() -> None:
    net = network((16, 12, 12), logits(INPUT, (16, 12, 12)), time_steps=2)
    assert refusal(net, PAIR) == (
        "a tile of layer logits needs 2304 weight rows per lane pair, but there are 512 in architecture "
        "pair; no preset would do, so give an architecture file with weight_rows >= 2304"
    )
    net = network((16, 10, 10), logits(INPUT, (16, 10, 10)), time_steps=2)
    assert refusal(net, PAIR) == (
        "a tile of layer logits needs 1600 weight rows per lane pair, but there are 512 in "
        "architecture pair; preset small would do"
    )


def test_spike_memory_too_small() -> None:
    net = network((16, 32, 32), layer("conv", (16, 32, 32), conv(INPUT, 16, 16, 1)), logits("conv", (16, 32, 32)))
    average = replace(net.layers[-1], segments=(Segment("conv", Kind.BROADCAST, np.ones((10, 16, 32, 32), int)),))
    net = replace(net, layers=(net.layers[0], average))
    assert refusal(net, SMALL) == (
        "spike memory with tensor conv (8 steps of 1024 words) needs 16384 spike words, but there are 6144 in "
        "architecture small; preset base would do"
    )
    assert refusal(replace(net, time_steps=16), BASE) == (
        "spike memory with tensor conv (16 steps of 1024 words) needs 32768 spike words, but there are 24576 in "
        "architecture base; no preset would do, so give an architecture file with spike_words >= 32768"
    )


def test_too_many_time_steps() -> None:
    net = network((16, 2, 2), logits(INPUT, (16, 2, 2)))
    assert refusal(net, changed(SMALL, max_time_steps=6)) == (
        "network net has T = 8 time steps, but architecture changed has max_time_steps = 6; convert with fewer time "
        "steps or choose a larger max_time_steps"
    )


def test_weight_too_wide() -> None:
    net = network((2, 2, 2), logits(INPUT, (2, 2, 2)))
    net.layers[0].segments[0].weights[7, 1, 0, 1] = -129
    assert refusal(net, SMALL) == (
        "layer logits, channel 7: a weight on input needs 9 bits, but architecture small has weight_bits = 8; convert "
        "the network for 8 bits or choose a larger weight_bits"
    )


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("theta", 1 << 16, "theta = 65536 needs 17 bits, but architecture small has threshold_bits = 16; choose a "
                           "larger threshold_bits or convert with a larger unit"),
        ("phi", -1, "phi must not be negative, but is -1; convert the network again"),
        ("bias", -(1 << 23) - 1, "bias = -8388609 needs 25 bits, but architecture small has bias_bits = 24; choose a "
                                 "larger bias_bits or convert with a larger unit"),
    ],
)  # fmt: skip
def test_constant_too_wide(name: str, value: int, text: str) -> None:
    hidden = layer("conv", (20, 3, 3), conv(INPUT, 20, 2, 1))
    getattr(hidden, name)[17] = value
    net = network((2, 3, 3), hidden, logits("conv", (20, 3, 3)))
    assert refusal(net, SMALL) == f"layer conv, channel 17: {text}"


def test_too_many_tiles_of_constants() -> None:
    arch = changed(SMALL, constant_tiles=4)
    net = network((2, 3, 3), layer("conv", (64, 3, 3), conv(INPUT, 64, 2, 1)), logits("conv", (64, 3, 3)))
    assert refusal(net, arch) == (
        "the network needs 5 tiles of constants, but there are 4 in architecture changed; preset nano would do"
    )


def test_program_too_long() -> None:
    names = ["a", "b", "c", "d", "e", "f"]
    layers = [layer(n, (4, 3, 3), conv(s, 4, 4, 1)) for s, n in zip([INPUT, *names], names, strict=False)]
    net = network((4, 3, 3), *layers, logits("f", (4, 3, 3)))
    assert refusal(net, changed(SMALL, program_words=64)) == (
        "the program needs 91 program words, but there are 64 in architecture changed; preset nano would do"
    )
    assert refusal(net, changed(SMALL, max_layers=6)) == (
        "the network needs 7 layers, but there are 6 in architecture changed; preset nano would do"
    )


def test_too_many_segments() -> None:
    wide = layer("conv", (4, 1, 1), Segment(INPUT, Kind.BROADCAST, np.ones((4, 2, 1, 9), int), dilation=(1, 2)))
    net = network((2, 1, 17), wide, logits("conv", (4, 1, 1)))
    assert refusal(net, SMALL) == (
        "layer conv needs 9 machine segments, but architecture small has max_segments = 8; split the layer or choose a "
        "larger max_segments"
    )


def test_field_too_narrow() -> None:
    pooled = layer("pool", (1, 1, 17), conv(INPUT, 1, 1, 1), pool=Pool((1, 17), (1, 1)))
    net = network((1, 1, 17), pooled, logits("pool", (1, 1, 1)))
    assert refusal(net, SMALL) == (
        "layer pool: window_x must lie in 0..15, not 17, which the program words cannot express; make it smaller"
    )
    tall = network(
        (1, 600, 1), layer("conv", (1, 600, 1), conv(INPUT, 1, 1, 1)), logits("conv", (1, 600, 1)), time_steps=1
    )
    shared = replace(tall.layers[1], segments=(Segment("conv", Kind.BROADCAST, np.ones((10, 1, 600, 1), int)),))
    assert refusal(replace(tall, layers=(tall.layers[0], shared)), SMALL) == (
        "layer conv: y of a window must lie in -512..511, not 599; make the feature map smaller"
    )
