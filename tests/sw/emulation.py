"""Programs on the emulator against the golden model: every tensor, every counter and the answer."""

import numpy as np

from trispike.emulator import Emulator, LayerRun
from trispike.golden import GoldenModel
from trispike.program import Program
from trispike.streams import decode_answer, input_stream, load_stream, unpack_tensor


def check(program: Program, images: list[np.ndarray]) -> None:
    """Run images on the emulator and compare every tensor that it wrote and every answer with the golden model."""
    arch, network = program.arch, program.network
    golden = GoldenModel(network).run(np.stack(images), keep_trains=True)
    emulator = Emulator(arch, program.external)
    assert emulator.feed(load_stream(program)).size == 0
    for number, image in enumerate(images):
        answer = emulator.feed(input_stream(program, image))
        run = emulator.runs[-1]
        assert not run.corrupt
        runs: dict[str, list[LayerRun]] = {}
        for name, layer in zip(program.layer_names, run.layers, strict=True):
            runs.setdefault(name, []).append(layer)
        assert list(runs) == [layer.name for layer in network.layers]
        for name in list(runs)[:-1]:
            addresses = np.concatenate([part.addresses for part in runs[name]])
            memory = np.zeros(arch.spike_words, np.uint32)
            memory[addresses] = np.concatenate([part.spikes for part in runs[name]])
            place = program.placements[name]
            trains = unpack_tensor(place, network.shape_of(name), memory, network.time_steps, arch.columns)
            np.testing.assert_array_equal(trains, golden.trains[name][number], err_msg=name)
            words = place.rows * place.row_words(arch.columns)
            assert len(np.unique(addresses)) == len(addresses) == network.time_steps * words
        np.testing.assert_array_equal(decode_answer(program, answer), golden.integers[number])
        for name, parts in runs.items():
            made, wanted = sum(part.additions for part in parts), golden.additions[name][number]
            if name in program.placements and program.placements[name].channel_pitch < arch.columns:
                assert made >= wanted, name  # windows of several pixels: weights of some taps are zero
            else:
                assert made == wanted, name
