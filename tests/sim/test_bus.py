"""The bus wrappers run the bundled network as the golden model does, under stalls of every stream and channel."""

import sys
from pathlib import Path

import numpy as np
import pytest
from cocotb_tools.runner import get_runner

from trispike import api
from trispike.device import open_device
from trispike.errors import ToolError
from trispike.examples import CALIBRATION_SET, MODEL, load_digits
from trispike.streams import input_stream, load_stream
from trispike_hw.architecture import preset
from trispike_hw.verilog import generate
from trispike_sim.tools import find

pytestmark = pytest.mark.slow

IMAGES = 2


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    """What the benches play: words in, answers out, and the digest that identifies the design."""
    digits = load_digits().x[:IMAGES]
    program = api.compile(MODEL, "nano", calibration=load_digits(CALIBRATION_SET).x)
    path = tmp_path_factory.mktemp("job") / "job.npz"
    np.savez(
        path,
        load=load_stream(program),
        inputs=np.stack([input_stream(program, image) for image in digits]),
        answers=open_device("golden").run(program, digits).integers,
        digest=np.array([int(program.arch.digest[:8], 16), int(program.arch.digest[8:16], 16)]),
    )
    return path


@pytest.mark.parametrize("bus", ["axi", "wishbone"])
def test_digits_are_bit_exact(tmp_path, monkeypatch, job, bus):
    pytest.importorskip("cocotbext.axi", reason="cocotbext-axi is not installed")
    try:
        simulator = find("icarus")
    except ToolError as error:
        pytest.skip(str(error))
    source = tmp_path / "trispike.v"
    source.write_text(generate(preset("nano"), bus=bus))
    monkeypatch.setattr(sys, "path", [str(Path(__file__).parent), *sys.path])
    with simulator.environment():
        runner = get_runner(simulator.engine)
        runner.build(sources=[source], hdl_toplevel="trispike", build_dir=tmp_path / "build", build_args=["-g2005"],
                     timescale=("1ns", "1ps"))  # fmt: skip
        runner.test(hdl_toplevel="trispike", test_module=f"{bus}_bench", test_dir=tmp_path,
                    extra_env={"JOB": str(job)}, results_xml=str(tmp_path / "results.xml"))  # fmt: skip
