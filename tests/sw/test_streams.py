"""Host streams: commands, packed inputs and answers, against bit-by-bit readings of docs/machine.md."""

from dataclasses import replace

import numpy as np
import pytest
from random_networks import random_image, random_network

from trispike.errors import DeviceError, InputError
from trispike.lowering import lower
from trispike.network import INPUT
from trispike.program import InputPacking, Placement, Program
from trispike.streams import (
    decode_answer,
    digits_to_words,
    input_stream,
    load_stream,
    pack_tensor,
    unpack_tensor,
    weight_words,
    words_to_digits,
)
from trispike_hw.architecture import preset

SMALL = preset("small")
WRITE, RUN = 1, 2


@pytest.fixture(scope="module")
def program() -> Program:
    return lower(random_network(1, SMALL), SMALL)


def random_trains(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.integers(-1, 2, shape).astype(np.int8)


@pytest.mark.parametrize(
    ("channels", "pitch_bits", "columns", "packing", "rows"),
    [
        (16, 16, 16, InputPacking(1, 1, 0), 5),
        (3, 3, 16, InputPacking(1, 1, 0), 5),
        (3, 8, 8, InputPacking(1, 1, 0), 5),
        (2, 6, 16, InputPacking(3, 1, 1), 5),
        (1, 5, 4, InputPacking(5, 2, 2), 3),
        (1, 3, 16, InputPacking(3, 2, 0), 2),
    ],
)
def test_every_bit_lies_where_the_machine_reads_it(
    channels: int, pitch_bits: int, columns: int, packing: InputPacking, rows: int
) -> None:
    steps, height, width = 3, 5, 7
    rng = np.random.default_rng(channels + rows)
    trains = random_trains(rng, steps, channels, height, width)
    pitch = -(-width * pitch_bits // columns)
    place = Placement(0, rows * pitch, pitch, pitch_bits, channels * packing.kernel, rows, width)
    words = pack_tensor(trains, place, packing, columns)
    expected = [0] * (steps * place.plane)
    for t, r, x, k, c in np.ndindex(steps, rows, width, packing.kernel, channels):
        y = r * packing.stride + k - packing.top
        if 0 <= y < height and trains[t, c, y, x]:
            bit = x * pitch_bits + k * channels + c
            shift = bit % columns + (columns if trains[t, c, y, x] < 0 else 0)
            expected[t * place.plane + r * pitch + bit // columns] |= 1 << shift
    assert words.dtype == np.uint32
    assert words.tolist() == expected


def test_unpacking_undoes_packing() -> None:
    rng = np.random.default_rng(7)
    trains = random_trains(rng, 4, 19, 3, 6)
    place = Placement(base=10, plane=36, pitch=12, channel_pitch=32, channels=19, rows=3, columns=6)
    memory = np.concatenate([np.full(10, 7, np.uint32), pack_tensor(trains, place, InputPacking(1, 1, 0), 16)])
    np.testing.assert_array_equal(unpack_tensor(place, (19, 3, 6), memory, 4, 16), trains)


def test_unpacking_another_tensor_is_refused() -> None:
    place = Placement(base=0, plane=36, pitch=12, channel_pitch=32, channels=19, rows=3, columns=6)
    with pytest.raises(InputError) as caught:
        unpack_tensor(place, (19, 6, 3), np.zeros(200, np.uint32), 4, 16)
    assert str(caught.value) == ("the placement holds 19 x 3 x 6, so it cannot be read as a tensor of shape (19, 6, 3)")


def test_corrupt_words_are_refused() -> None:
    digits = np.array([[1, -1, 0, 0], [0, 0, -1, 1]], np.int8)
    words = digits_to_words(digits)
    assert words.tolist() == [0x21, 0x48]
    np.testing.assert_array_equal(words_to_digits(words, 4), digits)
    with pytest.raises(DeviceError) as caught:
        words_to_digits(np.array([0x21, 0x11], np.uint32), 4)
    assert str(caught.value) == (
        "spike word 1 is corrupt: 0x00000011 has a channel both positive and negative; send the input again"
    )


@pytest.mark.parametrize("bits", [2, 5, 8])
@pytest.mark.parametrize("columns", [4, 8, 16])
def test_weight_words(bits: int, columns: int) -> None:
    rows = np.random.default_rng(bits).integers(-(1 << bits - 1), 1 << bits - 1, (3, columns)).astype(np.int8)
    words = weight_words(rows, bits)
    assert words.shape == (3, -(-columns * bits // 32))
    for row, packed in zip(rows, words, strict=True):
        whole = sum(int(word) << 32 * i for i, word in enumerate(packed))
        assert whole == sum((int(w) % (1 << bits)) << bits * c for c, w in enumerate(row))


def test_load_stream_writes_every_memory_once(program: Program) -> None:
    stream = load_stream(program).tolist()
    at, seen = 0, []
    words_per_row = {0: 2, 1: 4, 2: 4}
    while at < len(stream):
        opcode, target, index = stream[at] & 15, stream[at] >> 4 & 15, stream[at] >> 8 & 255
        assert (opcode, stream[at + 1]) == (WRITE, 0)
        seen.append((target, index, stream[at + 2]))
        at += 3 + stream[at + 2] * words_per_row[target]
    assert at == len(stream)
    rows = len(program.weights[0])
    assert seen == [(0, 0, len(program.program)), (1, 0, len(program.constants)), (2, 0, rows), (2, 1, rows)]


def test_input_stream_is_one_write_and_run(program: Program) -> None:
    network, place = program.network, program.placements[INPUT]
    stream = input_stream(program, random_image(network, 0))
    count = network.time_steps * place.plane
    assert stream.dtype == np.uint32
    assert stream[:3].tolist() == [WRITE | 3 << 4, place.base, count]
    assert stream[3 + count :].tolist() == [RUN, 0, 0]


def test_input_stream_takes_trains(program: Program) -> None:
    network = program.network
    trains = random_trains(np.random.default_rng(0), network.time_steps, *network.input_shape)
    place = program.placements[INPUT]
    expected = pack_tensor(trains, place, program.input_packing, 16)
    np.testing.assert_array_equal(input_stream(program, trains)[3:-3], expected)


def test_input_of_another_shape_is_refused(program: Program) -> None:
    shape = program.network.input_shape
    with pytest.raises(InputError) as caught:
        input_stream(program, np.zeros((1, *shape), np.float32))
    assert str(caught.value) == (
        f"network random1 takes an image of shape {shape} or int8 trains of shape "
        f"{(program.network.time_steps, *shape)}, not float32 of shape {(1, *shape)}"
    )


def test_answers_are_signed(program: Program) -> None:
    classes = program.network.classes
    words = np.array([0xFFFFFFFF, 5] * classes, np.uint32)[:classes]
    assert decode_answer(program, words).tolist() == ([-1, 5] * classes)[:classes]
    assert decode_answer(program, words).dtype == np.int64


def test_an_answer_of_another_length_is_refused(program: Program) -> None:
    with pytest.raises(DeviceError) as caught:
        decode_answer(program, np.zeros(program.network.classes + 1, np.uint32))
    classes = program.network.classes
    assert str(caught.value) == f"an answer of network random1 has {classes} words, not {classes + 1}"


def test_a_row_packed_input_cannot_be_unpacked_as_the_image() -> None:
    place = Placement(base=0, plane=10, pitch=2, channel_pitch=5, channels=5, rows=5, columns=5)
    with pytest.raises(InputError):
        unpack_tensor(replace(place, base=1), (1, 5, 5), np.zeros(100, np.uint32), 1, 16)
