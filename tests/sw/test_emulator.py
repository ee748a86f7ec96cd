"""The emulator on lowered programs against the golden model: every tensor and the answer."""

from dataclasses import replace

import numpy as np
import pytest
from emulation import check
from random_networks import random_image, random_network
from shapes import PAIR

from trispike.emulator import Emulator
from trispike.errors import DeviceError
from trispike.lowering import lower
from trispike.program import Program
from trispike.streams import input_stream, load_stream
from trispike_hw.architecture import Architecture, build, preset

ARCHITECTURES = {
    "nano": preset("nano"),
    "pair": PAIR,
    "small": preset("small"),
    "base": preset("base"),
    "large": preset("large"),
    "narrow": build(
        preset("small").model_dump() | {"name": "narrow", "columns": 8, "weight_bits": 5, "tsa_width": 2, "lanes": 2}
    ),
    "tiny": build(preset("base").model_dump() | {"name": "tiny", "columns": 4, "weight_bits": 4, "tsa_width": 4}),
}


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_random_network_equals_golden_model(name: str, seed: int) -> None:
    arch: Architecture = ARCHITECTURES[name]
    network = random_network(seed, arch)
    check(lower(network, arch), [random_image(network, seed), random_image(network, seed + 1000)])


def small_program() -> Program:
    return lower(random_network(1, preset("small")), preset("small"))


def test_corrupt_spikes_are_reported() -> None:
    program = small_program()
    emulator = Emulator(program.arch)
    emulator.feed(load_stream(program))
    stream = input_stream(program, random_image(program.network, 0))
    emulator.feed(stream)
    assert not emulator.runs[-1].corrupt
    stream[3 : len(stream) - 3] |= 0x00010001
    emulator.feed(stream)
    assert emulator.runs[-1].corrupt


def test_flipped_weight_bits_change_the_answer() -> None:
    program = small_program()
    weights = tuple(rows ^ 64 for rows in program.weights)
    image = random_image(program.network, 0)
    answers = []
    for each in (program, replace(program, weights=weights)):
        emulator = Emulator(program.arch)
        emulator.feed(load_stream(each))
        answers.append(emulator.feed(input_stream(each, image)).tolist())
    assert answers[0] != answers[1]


@pytest.mark.parametrize(
    ("stream", "text"),
    [
        ([2, 0], "the input stream ends inside the command at word 0; send whole commands"),
        ([7, 0, 0], "the input stream has an unknown command 0x00000007 at word 0"),
        ([0x31, 6142, 3, 0, 0, 0], "a WRITE of 3 rows to SPIKES at 6142 does not fit 6144 rows or its payload"),
        ([0x31, 0, 3, 0, 0], "a WRITE of 3 rows to SPIKES at 0 does not fit 6144 rows or its payload"),
        ([0x221, 0, 1, 0, 0, 0, 0], "a WRITE names lane pair 2, but there are 2"),
        ([2, 0, 0], "the program ends at word 512 without a last layer; load the image again"),
    ],
)
def test_bad_streams(stream: list[int], text: str) -> None:
    with pytest.raises(DeviceError) as caught:
        Emulator(preset("small")).feed(np.array(stream, np.uint32))
    assert str(caught.value) == text


def test_a_sum_beyond_the_accumulator_is_refused() -> None:
    arch = preset("small")
    network = random_network(1, arch)
    program = lower(network, arch)
    narrow = build(arch.model_dump() | {"name": "narrow", "accumulator_bits": 8})
    emulator = Emulator(narrow)
    emulator.feed(load_stream(program))
    with pytest.raises(DeviceError) as caught:
        emulator.feed(input_stream(program, random_image(network, 0)))
    assert str(caught.value) == "a synaptic sum leaves the 8 bits of the accumulator"
