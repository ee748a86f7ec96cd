"""Co-simulation finds nothing where the design is right, and says what is wrong where it is wrong."""

import tempfile
from dataclasses import replace

import numpy as np
import pytest
from playback import SHORTEST_LAYER, Playback, Step
from random_networks import random_image, random_network
from shapes import PAIR

from trispike.errors import DeviceError, InputError, OutputError, ToolError
from trispike.golden import GoldenModel
from trispike.lowering import lower
from trispike.streams import input_stream, load_stream
from trispike_hw.architecture import Architecture
from trispike_sim.simulate import simulate
from trispike_sim.tools import find

ARCH = PAIR
NETWORK = random_network(3, ARCH, largest=5)
PROGRAM = lower(NETWORK, ARCH)
IMAGES = np.stack([random_image(NETWORK, seed) for seed in range(2)])
GOLDEN = GoldenModel(NETWORK).run(IMAGES, keep_trains=True)
FIRST = PROGRAM.layer_names[0]


@pytest.fixture(autouse=True)
def private_places(tmp_path_factory, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))


def require(engine):
    """Skip the test if the simulator is not there."""
    try:
        find(engine)
    except ToolError as error:
        pytest.skip(str(error))


@pytest.fixture(params=["icarus", pytest.param("verilator", marks=pytest.mark.slow)])
def engine(request):
    require(request.param)
    return request.param


@pytest.fixture
def playback():
    return Playback.of(PROGRAM, IMAGES)


def run(playback, engine="icarus", **options):
    require(engine)
    return simulate(PROGRAM, IMAGES, engine=engine, verilog=playback.verilog(), **options)


def test_a_right_design_is_bit_exact(playback, engine):
    done = []
    external = np.arange(-64, 64, dtype=np.int8).reshape(8, ARCH.columns)
    playback.stream_in(playback.find(Step.STORE), external, 5, 3)
    program = replace(PROGRAM, external=external)
    report = simulate(
        program, IMAGES, engine=engine, verilog=playback.verilog(), progress=lambda *counts: done.append(counts)
    )
    assert report.bit_exact
    assert report.explain() == "bit-exact: all trains and integers of 2 images equal the golden model's"
    assert np.array_equal(report.integers, GOLDEN.integers)
    assert done == sorted(set(done)) and done[-1] == (2, 2)
    assert report.waves is None
    assert (report.engine, report.version) == (engine, find(engine).version)
    assert [image.streamed_rows for image in report.images] == [3, 0]
    for image in report.images:
        assert [layer.name for layer in image.layers] == list(PROGRAM.layer_names)
        assert image.events == sum(layer.words for layer in image.layers)
        assert image.additions == sum(layer.additions for layer in image.layers)
        cycles = [layer.words + SHORTEST_LAYER + 1 for layer in image.layers]
        assert [layer.cycles for layer in image.layers][1:] == cycles[1:]
        assert image.cycles >= sum(layer.cycles for layer in image.layers) + NETWORK.classes


def test_a_seed_means_the_same_pauses_again_and_in_every_simulator(playback, engine):
    reports = [run(playback, engine, seed=seed) for seed in (1, 1, 2)] + [run(playback, "icarus", seed=1)]
    pauses = [[(image.input_cycles, image.cycles) for image in report.images] for report in reports]
    assert pauses[0] == pauses[1] == pauses[3]
    assert pauses[0] != pauses[2]
    assert all(report.bit_exact for report in reports)


def test_without_stalls_the_input_takes_a_cycle_a_word(playback):
    report = run(playback, stalls=False)
    spikes = PROGRAM.placements["input"].plane * NETWORK.time_steps
    assert [image.input_cycles for image in report.images] == [3 + spikes + 2] * 2


def test_a_wrong_spike_is_named_and_leaves_a_waveform(playback):
    second = playback.find(Step.END)
    store = next(i for i in range(second, len(playback.steps)) if playback.steps[i][0] == Step.STORE)
    _, _, address, word = playback.steps[store]
    bit = 1 if word & 1 or not word >> ARCH.columns & 1 else 1 << ARCH.columns
    playback.alter(store, flip=bit)
    report = run(playback)
    assert [image.bit_exact for image in report.images] == [True, False]
    image = report.images[1]
    assert image.mismatch_count == 1
    wrong = image.mismatches[0]
    place = PROGRAM.placements[FIRST]
    step, rest = divmod(address - place.base, place.plane)
    expected = int(GOLDEN.trains[FIRST][1, step, 0, wrong.y, wrong.x])
    y, x = divmod(rest, place.pitch)
    assert (wrong.layer, wrong.step, wrong.y, wrong.channel) == (FIRST, step, y, 0)
    assert wrong.x == x * ARCH.columns // place.channel_pitch
    found = "0" if expected else "+1"
    assert str(wrong) == (
        f"layer {FIRST}, pixel ({wrong.y}, {wrong.x}), channel 0, step {step}: "
        f"expected {f'{expected:+d}' if expected else '0'}, found {found}"
    )
    assert report.waves_from == 1
    assert report.waves.stat().st_size > 1000
    assert report.explain().splitlines() == [
        "not bit-exact: 1 of 2 images differ from the golden model",
        "image 1: 1 mismatches, the first 1:",
        f"  {wrong}",
        f"waveform from image 1 on: {report.waves}",
    ]


def test_a_lost_word_is_named(playback):
    place, store = PROGRAM.placements[FIRST], playback.find(Step.STORE)
    address = playback.steps.pop(store)[2] - place.base
    image = run(playback).images[0]
    pixels = [(wrong.step, wrong.y, wrong.x) for wrong in image.mismatches]
    pixel = address % place.pitch * ARCH.columns // place.channel_pitch
    assert pixels[0] == (address // place.plane, address % place.plane // place.pitch, pixel)
    assert {wrong.found for wrong in image.mismatches} == {"no word written"}
    assert len(image.mismatches) == min(image.mismatch_count, 5)
    assert image.mismatch_count == min(NETWORK.layers[0].shape[0], ARCH.columns)


@pytest.mark.parametrize("fault", ["stray", "repeated", "corrupt"])
def test_a_word_that_should_not_be_is_named(playback, fault):
    store = playback.find(Step.STORE)
    _, layer, address, word = playback.steps[store]
    outside = ARCH.spike_words - 1
    match fault:
        case "stray":
            playback.steps.insert(store, (Step.STORE, layer, outside, word))
            expected = [f"layer {FIRST}: expected no word outside the tensor, found one at address {outside}"]
        case "repeated":
            playback.steps.insert(store, (Step.STORE, layer, address, word))
            expected = [f"layer {FIRST}: expected every word once, found 1 words written again"]
        case "corrupt":
            both = 1 | 1 << ARCH.columns
            playback.alter(store, flip=both & ~word)
            digit = {0: "0", 1: "+1", both - 1: "-1"}[word & both]
            expected = [
                f"layer {FIRST}, pixel (0, 0), channel 0, step 0: expected {digit}, found +1 and -1 at once",
                "layer (any): expected no corrupt spike word, found one, says STATUS",
            ]
    assert [str(mismatch) for mismatch in run(playback).images[0].mismatches] == expected


def test_a_wrong_integer_is_named(playback):
    playback.alter(playback.find(Step.ANSWER, 1), flip=4)
    report = run(playback)
    expected = int(GOLDEN.integers[0, 1])
    assert [str(mismatch) for mismatch in report.images[0].mismatches] == [
        f"layer {PROGRAM.layer_names[-1]}, class 1: expected {expected}, found {expected ^ 4}"
    ]
    assert report.images[1].bit_exact


def in_parts(playback):
    """The same steps, but the first and the last layer run in two parts each; and the names of all parts."""
    first, *middle, last = PROGRAM.layer_names
    end = [(Step.END_LAYER, 0, 0, 0), *[(Step.PAUSE, 1, 0, 0)] * SHORTEST_LAYER]
    steps, stores, part = [], 0, 0
    for kind, layer, address, word in playback.steps:
        if kind == Step.END:
            stores = part = 0
        stores += kind == Step.STORE
        if stores == 3 and not part:
            part = 1
            steps += end
        steps.append((kind, layer + part, address, word))
        if kind == Step.END_LAYER and layer == len(middle) + 1:
            steps += [(Step.PAUSE, layer + 2, 0, 0)] * SHORTEST_LAYER + [(kind, layer + 2, 0, 0)]
    return replace(playback, steps=steps), (first, first, *middle, last, last)


def test_the_parts_of_a_layer_are_united(playback):
    whole = run(playback)
    parts, names = in_parts(playback)
    report = simulate(replace(PROGRAM, layer_names=names), IMAGES, engine="icarus", verilog=parts.verilog())
    assert report.explain() == whole.explain()
    for image, expected in zip(report.images, whole.images, strict=True):
        counters = [(layer.name, layer.events, layer.additions, layer.words) for layer in image.layers]
        assert counters == [(layer.name, layer.events, layer.additions, layer.words) for layer in expected.layers]
        assert image.layers[-1].cycles == expected.layers[-1].cycles + SHORTEST_LAYER + 1
    spoilt = parts.find(Step.STORE, 3)
    parts.alter(spoilt, address=parts.steps[spoilt][2] + 1)
    report = simulate(replace(PROGRAM, layer_names=names), IMAGES[:1], engine="icarus", verilog=parts.verilog())
    assert {mismatch.layer for mismatch in report.images[0].mismatches} == {FIRST}


def test_weight_rows_come_from_outside_in_order_and_late():
    require("icarus")
    arch = Architecture(**ARCH.model_dump() | {"weight_bits": 5})
    network = random_network(3, arch, largest=5)
    images = np.stack([random_image(network, seed) for seed in range(2)])
    external = np.random.default_rng(5).integers(-16, 16, (8, arch.columns), np.int8)
    program = replace(lower(network, arch), external=external)
    playback = Playback.of(program, images)
    playback.stream_in(playback.find(Step.STORE), external, 0, 2)
    playback.stream_in(playback.find(Step.STORE, 1), external, 3, 5)
    text = playback.verilog()

    def cycles(weights=external, **options):
        report = simulate(replace(program, external=weights), images, engine="icarus", verilog=text, **options)
        assert [image.streamed_rows for image in report.images] == [7, 0]
        assert report.bit_exact == (weights is external)
        return report.cycles[0]

    quick, slow = cycles(stalls=False, weight_latency=1), cycles(stalls=False, weight_latency=51)
    assert slow - quick == 2 * 50
    assert cycles(stalls=True, weight_latency=1) > quick
    altered = external.copy()
    altered[7, 3] ^= 1
    cycles(altered)


def test_a_design_that_asks_for_rows_that_there_are_not_is_told(playback):
    require("icarus")
    external = np.ones((8, ARCH.columns), np.int8)
    playback.stream_in(playback.find(Step.END) + 1, external, 4, 4)
    with pytest.raises(DeviceError) as raised:
        simulate(replace(PROGRAM, external=external[:7]), IMAGES, engine="icarus", verilog=playback.verilog())
    assert str(raised.value) == (
        "the design asked in image 1 for rows beyond the 7 of the external weight memory; "
        "simulate with a waveform to see where"
    )


def test_without_a_name_the_simulator_is_chosen_by_the_length_of_the_simulation(monkeypatch):
    def refuse(engine=None, cycles=0):
        raise ToolError(f"{engine} {cycles}")

    monkeypatch.setattr("trispike_sim.simulate.find", refuse)
    words = len(load_stream(PROGRAM)) + sum(len(input_stream(PROGRAM, image)) for image in IMAGES)
    additions = sum(int(layer[0]) for layer in GOLDEN.additions.values())
    with pytest.raises(ToolError) as raised:
        simulate(PROGRAM, IMAGES)
    assert str(raised.value) == f"None {words + 2 * additions // ARCH.pes}"
    with pytest.raises(ToolError) as raised:
        simulate(PROGRAM, IMAGES, engine="icarus")
    assert str(raised.value) == "icarus 0"


def test_a_design_for_another_architecture_is_refused(playback):
    other = replace(playback, arch=Architecture(**ARCH.model_dump() | {"weight_rows": 256}))
    with pytest.raises(DeviceError) as raised:
        run(other)
    assert str(raised.value) == (
        f"the program is for architecture pair ({ARCH.digest[:16]}), but the design is of architecture "
        f"{other.arch.digest[:16]}; generate its Verilog for pair, or compile the network for the architecture that it "
        "has"
    )


def test_a_design_that_gets_stuck_is_told_and_leaves_the_waveform_asked_for(playback, tmp_path):
    index = playback.find(Step.ANSWER, 1)
    playback.steps[index] = (Step.HANG, 0, 0, 0)
    with pytest.raises(DeviceError) as raised:
        run(playback, patience=300, waves=tmp_path / "stuck.fst")
    assert (tmp_path / "stuck.fst").stat().st_size > 1000
    text = str(raised.value)
    assert text.startswith(
        "the design got stuck in image 0: no word went in, out or to spike memory for 300 cycles, after "
    )
    assert text.endswith(" stored and 1 out; simulate with a waveform to see where")


def test_a_design_that_answers_undefined_bits_is_told(playback):
    text = playback.verilog().replace("assign o__payload =", "assign o__payload = 32'bx ^", 1)
    with pytest.raises(DeviceError) as raised:
        simulate(PROGRAM, IMAGES, engine="icarus", verilog=text)
    assert str(raised.value) == (
        "the design answered or stored undefined bits; simulate with a waveform to see where they come from"
    )


def test_a_waveform_on_request_goes_where_it_is_wanted(playback, tmp_path):
    report = run(playback, waves=tmp_path / "all.fst")
    assert report.waves == tmp_path / "all.fst"
    assert report.waves_from == 0
    assert report.waves.stat().st_size > 1000
    with pytest.raises(OutputError) as raised:
        run(playback, waves=tmp_path / "missing" / "all.fst")
    assert str(raised.value) == (
        f"cannot write waveform {tmp_path}/missing/all.fst: No such file or directory; choose a file in an existing "
        "directory that is writable"
    )


def test_images_of_another_shape_are_refused():
    with pytest.raises(InputError) as raised:
        simulate(PROGRAM, IMAGES[0])
    shape = ", ".join(map(str, ("N", *NETWORK.input_shape)))
    assert str(raised.value) == (
        f"images for {NETWORK.name} must have the shape ({shape}) with N >= 1, not {NETWORK.input_shape}; "
        "preprocess them as the network wants its input"
    )


def test_a_latency_of_no_cycle_is_refused():
    with pytest.raises(InputError) as raised:
        simulate(PROGRAM, IMAGES, weight_latency=0)
    assert str(raised.value) == "weight_latency must be at least 1 cycle, not 0"
