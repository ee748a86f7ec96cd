"""`trispike simulate` and `trispike run --device rtl` on the bundled network."""

import json

import numpy as np
import pytest

from trispike import cli
from trispike.device import GoldenDevice
from trispike.examples import TEST_SET, load_digits
from trispike.examples.demo import compile_digits
from trispike.image import save

# One worker runs all tests on the Verilator model of preset small, which takes long to build.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("preset small")]


@pytest.fixture(scope="module")
def program():
    return compile_digits("small")


@pytest.fixture
def directory(program, tmp_path):
    save(program, tmp_path / "image")
    return str(tmp_path / "image")


def test_simulate_json(verilator, program, directory, capsys):
    assert (
        cli.main(["simulate", directory, "--input", str(TEST_SET), "--images", "2", "--engine", verilator, "--json"])
        == 0
    )
    report = json.loads(capsys.readouterr().out)
    assert report["bit_exact"] is True and report["images"] == 2 and len(report["cycles"]) == 2
    assert tuple(layer["name"] for layer in report["layers"]) == program.layer_names
    assert all(set(layer) == {"name", "cycles", "events", "additions", "stalls"} for layer in report["layers"])
    assert 0 < sum(layer["cycles"] for layer in report["layers"]) <= sum(report["cycles"])


def test_simulate_table(verilator, directory, capsys):
    assert (
        cli.main(["simulate", directory, "--input", str(TEST_SET), "--images", "1", "--engine", verilator, "--stalls"])
        == 0
    )
    out, err = capsys.readouterr()
    assert "useful share" in out and "no word" in out and "/conv1/Conv" in out
    assert err == "bit-exact: all trains and integers of 1 image equal the golden model's\n"


def test_run_on_the_rtl(program, directory, tmp_path):
    x = load_digits().x[:1]
    np.savez(tmp_path / "x.npz", x=x)
    arguments = ["--input", str(tmp_path / "x.npz"), "--output", str(tmp_path / "y.npz"), "--device", "rtl"]
    assert cli.main(["run", directory, *arguments]) == 0
    expected = GoldenDevice().run(program, x)
    with np.load(tmp_path / "y.npz") as answers:
        np.testing.assert_array_equal(answers["integers"], expected.integers)
        np.testing.assert_array_equal(answers["logits"], expected.logits)
