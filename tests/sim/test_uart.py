"""The serial line in hardware against cocotbext-uart, in a simulator."""

import sys
from pathlib import Path

import pytest
from amaranth.back import verilog
from cocotb_tools.runner import get_runner

from trispike.errors import ToolError
from trispike_hw.link.uart import UartReceiver, UartTransmitter
from trispike_sim.tools import find

pytestmark = pytest.mark.slow
pytest.importorskip("cocotbext.uart", reason="cocotbext-uart is not installed")

CYCLES = 10  # of a bit: 100 ns at the clock of 100 MHz, 10 Mbaud


@pytest.mark.parametrize("block", [UartReceiver, UartTransmitter])
def test_bytes_are_those_of_the_model(tmp_path, block, monkeypatch):
    try:
        simulator = find("icarus")
    except ToolError as error:
        pytest.skip(str(error))
    source = tmp_path / "uart.v"
    source.write_text(verilog.convert(block(CYCLES), name="uart", emit_src=False, strip_internal_attrs=True))
    monkeypatch.setattr(sys, "path", [str(Path(__file__).parent), *sys.path])
    with simulator.environment():
        runner = get_runner(simulator.engine)
        runner.build(sources=[source], hdl_toplevel="uart", build_dir=tmp_path / "build", timescale=("1ns", "1ps"))
        runner.test(hdl_toplevel="uart", test_module="uart_bench", test_dir=tmp_path, testcase=block.__name__,
                    results_xml=str(tmp_path / "results.xml"))  # fmt: skip
