"""The emulator on lowered programs against the golden model: every tensor and the answer."""

import numpy as np
import pytest
from random_networks import random_image, random_network

from trispike.emulator import Emulator
from trispike.golden import GoldenModel
from trispike.lowering import lower
from trispike.program import Program
from trispike.streams import decode_answer, input_stream, load_stream, unpack_tensor
from trispike_hw.architecture import Architecture, build, preset

ARCHITECTURES = {
    "nano": preset("nano"),
    "small": preset("small"),
    "base": preset("base"),
    "large": preset("large"),
    "narrow": build(
        preset("small").model_dump() | {"name": "narrow", "columns": 8, "weight_bits": 5, "tsa_width": 2, "lanes": 2}
    ),
    "tiny": build(preset("base").model_dump() | {"name": "tiny", "columns": 4, "weight_bits": 4, "tsa_width": 4}),
}


def check(program: Program, images: list[np.ndarray]) -> None:
    """Run images on the emulator and compare every tensor that it wrote and every answer with the golden model."""
    arch, network = program.arch, program.network
    golden = GoldenModel(network).run(np.stack(images), keep_trains=True)
    emulator = Emulator(arch)
    assert emulator.feed(load_stream(program)).size == 0
    for number, image in enumerate(images):
        answer = emulator.feed(input_stream(program, image))
        run = emulator.runs[-1]
        assert not run.corrupt
        for name, layer in zip(program.layer_names[:-1], run.layers, strict=False):
            memory = np.zeros(arch.spike_words, np.uint32)
            memory[layer.addresses] = layer.spikes
            place = program.placements[name]
            trains = unpack_tensor(place, network.shape_of(name), memory, network.time_steps, arch.columns)
            np.testing.assert_array_equal(trains, golden.trains[name][number], err_msg=name)
            assert len(np.unique(layer.addresses)) == len(layer.addresses) == network.time_steps * place.plane
        np.testing.assert_array_equal(decode_answer(program, answer), golden.integers[number])
        for name, layer in zip(program.layer_names, run.layers, strict=True):
            assert layer.additions == golden.additions[name][number], name


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_random_network_equals_golden_model(name: str, seed: int) -> None:
    arch: Architecture = ARCHITECTURES[name]
    network = random_network(seed, arch)
    check(lower(network, arch), [random_image(network, seed), random_image(network, seed + 1000)])
