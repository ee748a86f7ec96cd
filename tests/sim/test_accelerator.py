"""The generated accelerator computes what the golden model computes, and counts what the emulator counts."""

from dataclasses import replace

import numpy as np
import pytest
from random_networks import random_image, random_network
from shapes import PAIR

from trispike.emulator import Emulator
from trispike.lowering import lower
from trispike.streams import input_stream, load_stream
from trispike_hw.architecture import build, preset
from trispike_hw.layer_counters import STALLS
from trispike_sim.simulate import simulate

pytestmark = pytest.mark.slow

# One worker runs all tests on the Verilator model of preset small, which takes long to build.
SMALL_GROUP = pytest.mark.xdist_group("preset small")


def case(preset_name, seed):
    """A random program with three small images."""
    arch = preset(preset_name)
    network = random_network(seed, arch, largest=5)
    return lower(network, arch), np.stack([random_image(network, number) for number in range(3)])


@pytest.mark.parametrize(
    ("preset_name", "seed"),
    [
        ("nano", 3),
        pytest.param("small", 3, marks=SMALL_GROUP),
        pytest.param("small", 1, marks=SMALL_GROUP),
        pytest.param("base", 4, marks=pytest.mark.long),
        pytest.param("large", 4, marks=pytest.mark.long),
    ],
)
def test_random_networks_are_bit_exact_and_counted(engine, preset_name, seed):
    program, images = case(preset_name, seed)
    report = simulate(program, images, engine=engine("icarus" if preset_name == "nano" else "verilator"), seed=seed)
    assert report.explain() == "bit-exact: all trains and integers of 3 images equal the golden model's"
    emulator = Emulator(program.arch)
    emulator.feed(load_stream(program))
    for image, x in zip(report.images, images, strict=True):
        emulator.feed(input_stream(program, x))
        runs = emulator.runs[-1].layers
        assert [(layer.events, layer.additions, layer.words) for layer in image.layers] == [
            (run.events, run.additions, len(run.addresses)) for run in runs
        ]
        assert image.events == sum(run.events for run in runs)
        assert image.additions == sum(run.additions for run in runs)
        assert sum(layer.cycles for layer in image.layers) < image.cycles
        for layer in image.layers:
            held = layer.events + sum(getattr(layer, reason) for reason in STALLS)
            assert layer.events < held <= program.arch.lanes * layer.cycles


def test_one_flipped_weight_bit_is_found(icarus):
    program, images = case("nano", 3)
    first = program.weights[0].copy()
    row, column = np.argwhere(first)[0]
    first[row, column] ^= 1 << 4
    report = simulate(replace(program, weights=(first, *program.weights[1:])), images[:1], engine=icarus)
    assert not report.bit_exact
    assert report.images[0].mismatches[0].layer in program.layer_names
    assert report.waves.stat().st_size > 1000


def test_weights_stream_in_while_layers_run_in_parts(icarus):
    arch = build(PAIR.model_dump() | {"name": "tight", "weight_rows": 96})
    network = random_network(11, PAIR, largest=5)
    program = lower(network, arch)
    assert program.external is not None and len(set(program.layer_names)) < len(program.layer_names)
    images = np.stack([random_image(network, number) for number in range(2)])
    reports = [simulate(program, images, engine=icarus, weight_latency=latency) for latency in (1, 200)]
    assert all(report.bit_exact for report in reports), [report.explain() for report in reports]
    rows = {image.streamed_rows for report in reports for image in report.images}
    assert len(rows) == 1 and rows.pop() >= len(program.external)
    assert reports[0].cycles[0] < reports[1].cycles[0]


def test_a_wrong_row_of_the_external_memory_is_found(icarus):
    arch = build(PAIR.model_dump() | {"name": "tight", "weight_rows": 96})
    network = random_network(11, PAIR, largest=5)
    program = lower(network, arch)
    altered = program.external.copy()
    altered[:4] ^= 16
    image = random_image(network, 0)[None]
    assert not simulate(replace(program, external=altered), image, engine=icarus).bit_exact
