"""What the command line refuses: one sentence, exit code 1, and nothing left half-written."""

import json
import os
import shutil
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest

from trispike.examples import CALIBRATION_SET, MODEL, TEST_SET, load_digits
from trispike.importers import supported_operators
from trispike_hw.architecture import PRESETS

WAY_OUT = "preprocess them as the network wants its input"


@pytest.fixture
def refusal(trispike, tmp_path):
    """Runs a command line that must be refused and change no file; returns its sentence."""

    def files() -> dict[Path, bytes | None]:
        return {path: path.read_bytes() if path.is_file() else None for path in tmp_path.rglob("*")}

    def run(*arguments: object) -> str:
        before = files()
        code, out, err = trispike(*arguments)
        assert (code, out) == (1, "") and err.startswith("error: ") and err.count("\n") == 1
        assert files() == before
        return err.removeprefix("error: ").removesuffix("\n")

    return run


@pytest.fixture
def compiling(refusal):
    """The sentence that refuses to compile a model, the bundled one unless told otherwise."""

    def run(*options: object, model: Path | str = MODEL, calibrate: Path | str = CALIBRATION_SET) -> str:
        return refusal("compile", model, "-o", "image", "--calibrate", calibrate, *options)

    return run


@pytest.fixture
def altered_model(tmp_path):
    """Changes the bundled network and returns the file of the result."""
    onnx = pytest.importorskip("onnx")

    def change(edit) -> Path:
        model = onnx.load(MODEL)
        edit(model.graph)
        onnx.save(model, tmp_path / "net.onnx")
        return Path("net.onnx")

    return change


def set_weights(graph, name: str, change) -> None:
    """Change the values of one tensor of an ONNX graph in place."""
    from onnx import numpy_helper

    tensor = next(tensor for tensor in graph.initializer if tensor.name == name)
    values = numpy_helper.to_array(tensor).copy()
    change(values)
    tensor.CopyFrom(numpy_helper.from_array(values, name))


def write_images(x: np.ndarray) -> str:
    np.savez("x.npz", x=x)
    return "x.npz"


def test_unknown_operator(compiling, altered_model):
    def edit(graph) -> None:
        next(node for node in graph.node if node.op_type == "Relu").op_type = "Sin"

    assert compiling(model=altered_model(edit)) == (
        "net.onnx: node '/relu1/Relu' has the operator Sin, which is not supported; supported ONNX operators are "
        + ", ".join(operator.name for operator in supported_operators() if operator.framework == "ONNX")
    )


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite(compiling, altered_model, value):
    def poison(weights: np.ndarray) -> None:
        weights[0, 0, 1], weights[7, 0, 2, 2] = value, value

    model = altered_model(lambda graph: set_weights(graph, "conv1.weight", poison))
    assert compiling(model=model) == (
        "net.onnx: tensor 'conv1.weight' holds 4 NaN or infinite values of 144; train or export the network again"
    )


def test_theta_below_two(compiling, altered_model):
    """On black images only biases are left, and beside such weights they are less than one unit."""

    def enlarge(weights: np.ndarray) -> None:
        weights[3] *= 1e4

    model = altered_model(lambda graph: set_weights(graph, "conv1.weight", enlarge))
    images = write_images(np.zeros((2, 1, 8, 8), np.float32))
    assert compiling(model=model, calibrate=images) == (
        "layer /conv1/Conv, channel 3: theta must be at least 2, but is 0; use more silent steps, more weight bits, or "
        "smaller weights in this channel"
    )


def test_potential_too_wide(compiling, tmp_path):
    (tmp_path / "narrow.toml").write_text('base = "small"\npotential_bits = 12\nbias_bits = 12\n')
    assert compiling("--arch", "narrow.toml") == (
        "layer /conv1/Conv, channel 6: its membrane potential needs 20 bits, but the hardware has 12, and coarser "
        "weights would lose too much; use fewer time steps or silent steps, or an architecture with more potential_bits"
    )


def test_accumulator_too_narrow(compiling, tmp_path):
    (tmp_path / "narrow.toml").write_text('base = "small"\naccumulator_bits = 8\n')
    assert compiling("--arch", "narrow.toml") == (
        "layer /conv2/Conv, channel 10: the sum of its weights needs 14 bits, but the hardware has 8, and coarser "
        "weights would lose too much; use an architecture with more accumulator_bits"
    )


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--silent", 9), "silent must lie in 0..time_steps = 0..8, not 9; 1 is usual"),
        (("--tau", 0.4), "tau must lie in 1/2 <= tau < 1, not 0.4; 2/3 is usual"),
        (("--arch", "no.toml"), "cannot read architecture file no.toml: No such file or directory"),
        (("--preset", "tiny"), "there is no preset 'tiny'; choose one of nano, small, base, large or give a file"),
    ],
)
def test_options(compiling, options, sentence):
    assert compiling(*options) == sentence


@pytest.mark.parametrize("content", [None, b"", b"no network"])
def test_models_that_are_none(compiling, tmp_path, content):
    if content is None:
        assert compiling(model="net.onnx") == "cannot read model file net.onnx: No such file or directory"
        return
    (tmp_path / "net.onnx").write_bytes(content)
    assert compiling(model="net.onnx").startswith("net.onnx is not an ONNX file")


@pytest.fixture(params=["run", "simulate"])
def reading(request, refusal, digits_image):
    """The sentence with which a verb that reads an image and an input refuses them."""
    output = ("--output", "y.npz") if request.param == "run" else ()

    def run(*options: object, image: Path = digits_image, x: Path | str = TEST_SET) -> str:
        return refusal(request.param, image, "--input", x, *output, *options)

    return run


def test_missing_input(reading):
    assert reading(x="x.npz") == "there is no input file x.npz; give an .npz file that holds x"


@pytest.mark.parametrize("shape", [(2, 1, 7, 8), (2, 3, 8, 8), (1, 8, 8), (0, 1, 8, 8)])
def test_input_of_another_shape(reading, shape):
    x = write_images(np.zeros(shape, np.float32))
    assert reading(x=x) == (f"images x in x.npz must have the shape (N, 1, 8, 8) with N >= 1, not {shape}; {WAY_OUT}")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_input_that_is_not_finite(reading, value):
    x = load_digits().x[:2].copy()
    x[1, 0, 3, 3] = value
    assert reading(x=write_images(x)) == (
        "images x in x.npz must be finite, but hold 1 NaN or infinite values; check the preprocessing"
    )


def test_calibration_of_another_shape(compiling):
    x = write_images(np.zeros((2, 3, 8, 8)))
    assert compiling(calibrate=x) == (
        f"calibration images must have the shape (N, 1, 8, 8) with N >= 1, not (2, 3, 8, 8); {WAY_OUT}"
    )


def test_calibration_that_is_not_finite(compiling):
    x = write_images(np.full((2, 1, 8, 8), np.nan))
    assert compiling(calibrate=x) == (
        "images x in x.npz must be finite, but hold 128 NaN or infinite values; check the preprocessing"
    )


def test_image_for_another_architecture(reading, digits_image):
    small, base = (PRESETS[name].digest[:12] for name in ("small", "base"))
    assert reading("--preset", "base") == (
        f"the image in {digits_image} is for architecture small (digest {small}), not for base "
        f"(digest {base}); compile the network for base"
    )


@pytest.fixture
def copied_image(digits_image, tmp_path):
    shutil.copytree(digits_image, tmp_path / "copy")
    return Path("copy")


def test_altered_image(reading, refusal, copied_image, tmp_path):
    binary, manifest = (tmp_path / "copy" / name for name in ("image.bin", "manifest.json"))
    content = bytearray(binary.read_bytes())
    section = next(s for s in json.loads(manifest.read_text())["sections"] if s["name"] == "weights.1")
    place = slice(section["offset"], section["offset"] + section["size"])
    content[place.start + 100] ^= 1
    binary.write_bytes(content)
    sentence = (
        f"section weights.1 of copy/image.bin is altered: its CRC-32 is {zlib.crc32(content[place]):08x} where the "
        f"manifest says {section['crc32']:08x}; compile the network again"
    )
    assert reading(image=copied_image) == sentence
    assert refusal("inspect", copied_image) == sentence


def test_truncated_image(reading, refusal, copied_image, tmp_path):
    binary = tmp_path / "copy" / "image.bin"
    size = binary.stat().st_size
    os.truncate(binary, size - 1)
    sentence = (
        f"copy/image.bin is truncated: it has {size - 1} bytes where the manifest says {size}; "
        "compile the network again"
    )
    assert reading(image=copied_image) == sentence
    assert refusal("inspect", copied_image) == sentence


def test_no_image(reading, refusal, tmp_path):
    sentence = "image holds no whole image: manifest.json is missing; compile the network again"
    assert reading(image=Path("image")) == refusal("inspect", "image") == sentence
    (tmp_path / "image").mkdir()
    assert reading(image=Path("image")) == refusal("inspect", "image") == sentence


@pytest.fixture
def no_conversion(monkeypatch):
    """Makes sure that what is refused is refused before the long work."""
    monkeypatch.setattr("trispike.api.compile_with_report", lambda *_, **__: pytest.fail("the conversion began"))


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        ("file", "it is a file, not a directory"),
        ("file/image", "{here}/file is a file, not a directory"),
        ("file/a/image", "{here}/file is a file, not a directory"),
        ("others", "it is not empty and holds no trispike image"),
        ("x" * 300, "File name too long"),
    ],
)
def test_image_that_cannot_be_written(refusal, no_conversion, tmp_path, output, reason):
    (tmp_path / "file").touch()
    (tmp_path / "others").mkdir()
    (tmp_path / "others" / "diary.txt").touch()
    assert refusal("compile", MODEL, "-o", output, "--calibrate", CALIBRATION_SET) == (
        f"cannot write the image to {output}: {reason.format(here=tmp_path)}; choose another directory"
    )


def test_image_into_a_directory_that_must_not_be_written(refusal, no_conversion, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: not mode & os.W_OK)  # root may write everywhere
    assert refusal("compile", MODEL, "-o", "a/image") == (
        f"cannot write the image to a/image: {tmp_path} is not writable; choose another directory"
    )


def test_failure_while_an_image_is_replaced(refusal, copied_image, monkeypatch):
    def fail(*_) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("trispike.image._write", fail)
    assert refusal("compile", MODEL, "-o", copied_image, "--calibrate", CALIBRATION_SET) == (
        "cannot write the image to copy: No space left on device; choose another directory"
    )


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        ("no/y", "No such file or directory"),
        ("file/y", "Not a directory"),
        (".", "it is a directory"),
    ],
)
def test_file_that_cannot_be_written(refusal, digits_image, tmp_path, output, reason):
    (tmp_path / "file").touch()
    sentence = f"cannot write {output}: {reason}; choose a file in an existing, writable directory"
    assert refusal("run", digits_image, "--input", TEST_SET, "--output", output) == sentence
    assert refusal("verilog", "-o", output) == sentence


def test_cache_that_cannot_be_written(refusal, digits_image, tmp_path, monkeypatch):
    pytest.importorskip("cocotb")
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert refusal("simulate", digits_image, "--input", TEST_SET, "--images", 1) == (
        f"cannot write the cache {tmp_path}/file/trispike/verilog: Not a directory; "
        "set XDG_CACHE_HOME to a directory that is writable"
    )


def test_unknown_engine(refusal, digits_image):
    assert refusal("simulate", digits_image, "--input", TEST_SET, "--engine", "vcs") == (
        "there is no simulation engine 'vcs'; choose one of icarus, verilator"
    )


def test_missing_cocotb(refusal, digits_image, monkeypatch):
    monkeypatch.setitem(sys.modules, "cocotb_tools.runner", None)
    for module in ("trispike_sim.simulate", "trispike_sim.build"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    assert refusal("simulate", digits_image, "--input", TEST_SET) == (
        "simulating the RTL needs the cocotb package; install trispike[sim]"
    )


@pytest.mark.parametrize("verb", [("simulate",), ("run", "--device", "rtl", "--output", "y.npz")])
def test_missing_simulator(refusal, digits_image, tmp_path, monkeypatch, verb):
    pytest.importorskip("cocotb")
    tools = pytest.importorskip("trispike_sim.simulate").find.__globals__
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(tools["importlib"].util, "find_spec", lambda name: None)
    verb, *options = verb
    assert refusal(verb, digits_image, "--input", TEST_SET, *options) == (
        "no simulator can be used: Verilator needs make, which is not installed; apt-get install g++ make; "
        "Icarus Verilog is not installed; install Icarus Verilog (apt-get install iverilog)"
    )
