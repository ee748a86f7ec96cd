"""`trispike bitstream` with stand-ins for the tools: verdict, table, cache, and what goes wrong.

Place and route itself takes too long for a test."""

import json
import os
from pathlib import Path

import pytest

from trispike.synthesis import bitstream

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


@pytest.fixture
def tools(tmp_path, monkeypatch):
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


@pytest.mark.parametrize(("board", "preset"), [("orangecrab-25f", "nano"), ("icebreaker", "nano")])
def test_every_board_has_a_line_and_a_clock(board, preset):
    """The build is planned, up to the constraints of its pins."""
    from trispike.synthesis.boards import BOARDS
    from trispike_hw import architecture

    plan = bitstream._plan(BOARDS[board], architecture.preset(preset), BOARDS[board].mhz)
    constraints = next(text for name, text in plan.files.items() if name.endswith((".lpf", ".pcf")))
    text = constraints if isinstance(constraints, str) else constraints.decode()
    assert "uart_0__rx" in text and "uart_0__tx" in text
