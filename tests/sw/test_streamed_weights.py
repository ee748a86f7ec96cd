"""Weights that stream in: programs with too few weight rows, their load lists, and lists that are wrong."""

from dataclasses import replace

import numpy as np
import pytest
from amaranth.hdl import Shape
from emulation import check
from random_networks import random_image, random_network
from shapes import PAIR

from trispike.emulator import Emulator
from trispike.errors import DeviceError, PlacementError
from trispike.fields import fields_of
from trispike.lowering import lower
from trispike.lowering.tensors import ceil_div
from trispike.network import INPUT, Kind, Layer, Mode, Network, Segment
from trispike.program import Program
from trispike.streams import input_stream, load_stream
from trispike_hw.architecture import Architecture, build, preset
from trispike_hw.layout import STREAM_BITS, Load, LoadKind, constant_word, pack

ROOMY = {"weight_rows": 8192, "program_words": 4096}
NARROW = {"columns": 8, "weight_bits": 5, "tsa_width": 2, "lanes": 2}
ARCHITECTURES = {
    "small": build(preset("small").model_dump() | ROOMY),
    "base": build(preset("base").model_dump() | ROOMY),
    "narrow": build(preset("small").model_dump() | ROOMY | NARROW),
}


def with_rows(arch: Architecture, rows: int) -> Architecture:
    return build(arch.model_dump() | {"name": "tight", "weight_rows": rows})


def least_rows(network: Network, arch: Architecture) -> int:
    """The fewest weight rows with which `network` fits an architecture that is otherwise `arch`."""
    low, high = 63, arch.weight_rows
    while high - low > 1:
        rows = (low + high) // 2
        try:
            lower(network, with_rows(arch, rows))
            high = rows
        except PlacementError:
            low = rows
    return high


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_streamed_weights_equal_golden_model(name: str, seed: int) -> None:
    """Layers run in parts, in both modes, with pooling, lane-wise and several segments, over two images."""
    arch = ARCHITECTURES[name]
    network = random_network(seed, arch, largest=7)
    images = [random_image(network, seed), random_image(network, seed + 1000)]
    least = least_rows(network, arch)
    resident = max(64, len(lower(network, arch).weights[0]))
    for rows in sorted({least, (least + resident) // 2}):
        check(lower(network, with_rows(arch, rows)), images)


def dense(name: str, source: str, outputs: int, inputs: int, mode: Mode = Mode.RELU) -> Layer:
    weights = np.random.default_rng(outputs).integers(-9, 10, (outputs, inputs, 1, 1))
    zero, ones = np.zeros(outputs, np.int64), np.ones(outputs)
    theta = zero + (30 if mode is Mode.RELU else 0)
    segments = (Segment(source, Kind.BROADCAST, weights),)
    shape = (outputs, 1, 1)
    return Layer(name, segments, shape, shape, mode, zero, theta, theta * 2 // 3, 0, ones, ones)


def two_layers() -> Network:
    """48 inputs, 64 neurons (four tiles of 48 rows), 10 classes (one tile of 64 rows)."""
    layers = (dense("hidden", INPUT, 64, 48), dense("logits", "hidden", 10, 64, Mode.LOGITS))
    return Network("two", 4, (48, 1, 1), np.ones(48), layers)


def two_layer_program() -> Program:
    return lower(two_layers(), with_rows(preset("small"), 128))


def loads_of(program: Program) -> list[tuple[object, ...]]:
    """The load list: (kind, layer), or source, count, target and pair (None: every) of a LOAD."""
    found: list[tuple[object, ...]] = []
    for word in program.program[program.load_list :]:
        load = fields_of(Load, int(word))
        if load["kind"] is LoadKind.LOAD:
            pair = None if load["every"] else load["pair"]
            found.append((load["source"], load["count"], load["target"], pair))
        else:
            found.append((load["kind"].name, load["count"]))
    return found


def test_two_layers() -> None:
    """All four tiles at once, two to a lane pair; the last layer's rows come into the free 32 and, when the hidden
    layer has ended, in the place of its own."""
    program = two_layer_program()
    assert program.layer_names == ("hidden", "logits")
    assert program.external is not None
    assert program.external.shape == (4 * 48 + 64, 16)
    hidden, logits = (layer.segments[0].weights[:, :, 0, 0] for layer in program.network.layers)
    for tile in range(4):
        np.testing.assert_array_equal(
            program.external[48 * tile : 48 * tile + 48].T, hidden[16 * tile : 16 * tile + 16]
        )
    np.testing.assert_array_equal(program.external[192:, :10].T, logits)
    assert [len(rows) for rows in program.weights] == [0, 0]
    assert program.load_list == 2 * 13
    assert loads_of(program) == [
        (0, 48, 0, 0),
        (48, 48, 48, 0),
        (96, 48, 0, 1),
        (144, 48, 48, 1),
        ("READY", 0),
        (224, 32, 96, None),
        ("WAIT", 0),
        (192, 32, 64, None),
        ("READY", 1),
        ("END", 0),
    ]
    image = random_image(program.network, 0)
    assert input_stream(program, image)[-3:].tolist() == [2, 0, 26]
    commands = 2  # WRITEs to program and constant memory, none to the weight memories
    constant = ceil_div(Shape.cast(constant_word(program.arch)).width, STREAM_BITS)
    assert len(load_stream(program)) == commands * 3 + len(program.program) * 2 + len(program.constants) * constant
    check(program, [random_image(program.network, seed) for seed in range(3)])


def word(kind: LoadKind, **fields: int) -> int:
    return pack(Load, {"kind": kind, **fields})


def answer_of(program: Program, load_list: list[int], external: np.ndarray | None = None) -> np.ndarray:
    """The answer of two images with another load list."""
    words = np.concatenate([program.program[: program.load_list], np.array(load_list, np.uint64)])
    other = replace(program, program=words)
    emulator = Emulator(program.arch, program.external if external is None else external)
    emulator.feed(load_stream(other))
    return np.concatenate([emulator.feed(input_stream(other, random_image(program.network, seed))) for seed in (0, 1)])


def test_a_list_without_a_wait_is_noticed() -> None:
    program = two_layer_program()
    words = [int(value) for value in program.program[program.load_list :]]
    with pytest.raises(DeviceError) as caught:
        answer_of(program, [value for value in words if fields_of(Load, value)["kind"] is not LoadKind.WAIT])
    assert str(caught.value) == (
        "a layer reads weight row 65 of lane pair 0, which the load list may write while it runs; compile the network "
        "again"
    )


def test_rows_that_come_after_their_ready_are_noticed() -> None:
    program = two_layer_program()
    words = [int(value) for value in program.program[program.load_list :]]
    with pytest.raises(DeviceError) as caught:
        answer_of(program, [words[4], *words[:4], *words[5:]])
    assert str(caught.value) == (
        "a layer reads weight row 1 of lane pair 0, which the load list may write while it runs; compile the network "
        "again"
    )


def test_other_external_rows_change_the_answer() -> None:
    program = two_layer_program()
    words = [int(value) for value in program.program[program.load_list :]]
    assert program.external is not None
    right = answer_of(program, words)
    assert answer_of(program, words, program.external ^ 64).tolist() != right.tolist()


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ([word(LoadKind.END)], "layer 0 would wait for its weights for ever; compile the network again"),
        (
            [word(LoadKind.WAIT, count=0), word(LoadKind.END)],
            "layer 0 would wait for its weights for ever; compile the network again",
        ),
        (
            [word(LoadKind.READY, count=1), word(LoadKind.WAIT, count=2), word(LoadKind.END)],
            "the load list waits for layer 2 or a later one, which does not exist; compile the network again",
        ),
        (
            [word(LoadKind.LOAD, source=250, count=7)],
            "a LOAD of 7 rows from external row 250 to row 0 of lane pair 0 does not fit 256 external rows, 128 weight "
            "rows and 2 pairs",
        ),
        (
            [word(LoadKind.LOAD, count=2, target=127, pair=1)],
            "a LOAD of 2 rows from external row 0 to row 127 of lane pair 1 does not fit 256 external rows, 128 weight "
            "rows and 2 pairs",
        ),
        (
            [word(LoadKind.LOAD, count=1, pair=2)],
            "a LOAD of 1 rows from external row 0 to row 0 of lane pair 2 does not fit 256 external rows, 128 weight "
            "rows and 2 pairs",
        ),
        (
            [word(LoadKind.READY, count=1)] * (512 - 26),
            "the load list does not end before program word 512; load the image again",
        ),
    ],
)
def test_wrong_load_lists(words: list[int], text: str) -> None:
    with pytest.raises(DeviceError) as caught:
        answer_of(two_layer_program(), words)
    assert str(caught.value) == text


def test_resident_layers_in_front_wait_for_nothing() -> None:
    """A first layer that pays off stays resident; it is ready at once, and everything else streams past it."""
    layers = (
        dense("first", INPUT, 16, 32),
        dense("second", "first", 128, 16),
        dense("third", "second", 16, 128),
        dense("logits", "third", 10, 16, Mode.LOGITS),
    )
    network = Network("front", 4, (32, 1, 1), np.ones(32), layers)
    program = lower(network, with_rows(preset("small"), 192))
    assert len(program.weights[0]) >= 32
    assert loads_of(program)[0] == ("READY", 0)
    check(program, [random_image(network, seed) for seed in range(2)])


def test_a_tile_that_does_not_fit() -> None:
    layers = (dense("hidden", INPUT, 64, 700), dense("logits", "hidden", 10, 64, Mode.LOGITS))
    network = Network("wide", 4, (700, 1, 1), np.ones(700), layers)
    with pytest.raises(PlacementError) as caught:
        lower(network, PAIR)
    assert str(caught.value) == (
        "a tile of layer hidden needs 700 weight rows per lane pair, but there are 512 in architecture pair; preset "
        "nano would do"
    )


def test_too_many_parts() -> None:
    """Sixteen tiles of 128 rows, four at a time, are more layers than an architecture with four counts."""
    layers = (dense("hidden", INPUT, 256, 128), dense("logits", "hidden", 4, 16, Mode.LOGITS))
    weights = np.ones((4, 256, 1, 1), np.int64)
    last = replace(layers[1], segments=(Segment("hidden", Kind.BROADCAST, weights),))
    network = Network("parts", 4, (128, 1, 1), np.ones(128), (layers[0], last))
    arch = build(preset("small").model_dump() | {"name": "few", "weight_rows": 256, "max_layers": 4})
    with pytest.raises(PlacementError) as caught:
        lower(network, arch)
    assert str(caught.value) == (
        "the network in parts needs 5 layers, but there are 4 in architecture few; preset small would do"
    )


def test_the_last_layer_in_parts() -> None:
    """Seven tiles of classes, 64 rows each, where 192 rows hold three of them."""
    network = Network("classes", 4, (64, 1, 1), np.ones(64), (dense("logits", INPUT, 100, 64, Mode.LOGITS),))
    program = lower(network, with_rows(preset("small"), 192))
    assert len(program.layer_names) > 1
    assert set(program.layer_names) == {"logits"}
    check(program, [random_image(network, seed) for seed in range(2)])


def test_too_many_classes() -> None:
    network = Network("classes", 4, (8, 1, 1), np.ones(8), (dense("logits", INPUT, 1025, 8, Mode.LOGITS),))
    with pytest.raises(PlacementError) as caught:
        lower(network, preset("base"))
    assert str(caught.value) == (
        "network classes has 1025 classes, but with columns = 16 architecture base answers at most 1024; leave classes "
        "out or choose a larger columns"
    )
