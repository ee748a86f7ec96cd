"""The cache of compiled simulations: once is enough, and what cannot be compiled or kept is said."""

import pytest

from trispike.errors import OutputError, ToolError
from trispike_hw.architecture import preset
from trispike_sim import build
from trispike_sim.tools import find

ARCH = preset("nano")
EMPTY = """module accelerator(
    input clk, input rst, input [31:0] i__payload, input i__valid, output i__ready,
    output [31:0] o__payload, output o__valid, input o__ready,
    output [39:0] weights_request__payload, output weights_request__valid, input weights_request__ready,
    input [127:0] weights_rows__payload, input weights_rows__valid, output weights_rows__ready,
    input [9:0] registers__address, output [31:0] registers__data,
    output trace__valid, output [5:0] trace__layer, output [11:0] trace__address,
    output [15:0] trace__pos, output [15:0] trace__neg);
endmodule
"""


@pytest.fixture
def icarus():
    try:
        return find("icarus")
    except ToolError as error:
        pytest.skip(str(error))


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "trispike"


def test_one_design_is_compiled_once(icarus, cache, monkeypatch):
    first = build.compiled(icarus, EMPTY, ARCH, waves=False)
    assert [path.name for path in first.iterdir()] == ["sim.vvp"]
    assert [path.name for path in (cache / "icarus").iterdir()] == [first.name]
    monkeypatch.setattr(build, "get_runner", lambda engine: pytest.fail("compiled again"))
    assert build.compiled(icarus, EMPTY, ARCH, waves=True) == first


def test_another_design_is_another_entry(icarus):
    other = build.compiled(icarus, EMPTY + "// other\n", ARCH, waves=False)
    assert other != build.compiled(icarus, EMPTY, ARCH, waves=False)


def test_another_environment_is_another_entry(icarus, tmp_path, monkeypatch):
    """Verilator's programs load cocotb's libraries from where they were when it linked them."""
    first = build.compiled(icarus, EMPTY, ARCH, waves=False)
    monkeypatch.setattr(build, "libs_dir", tmp_path)
    assert build.compiled(icarus, EMPTY, ARCH, waves=False) != first


def test_the_oldest_entries_are_forgotten(icarus, cache, monkeypatch):
    monkeypatch.setattr(build, "_KEPT", 2)
    entries = [build.compiled(icarus, f"{EMPTY}// {number}\n", ARCH, waves=False) for number in range(3)]
    assert [entry.exists() for entry in entries] == [False, True, True]


def test_a_design_that_does_not_compile_is_told_with_its_log(icarus, cache):
    with pytest.raises(ToolError) as raised:
        build.compiled(icarus, "module accelerator(;", ARCH, waves=False)
    (log,) = (cache / "icarus").glob("*.log")
    assert str(raised.value) == (
        f"icarus {icarus.version} cannot compile the design for architecture nano; its messages are in {log}"
    )
    assert "syntax error" in log.read_text()
    assert [path for path in (cache / "icarus").iterdir() if path != log] == []


def test_a_cache_that_cannot_be_written_is_told(icarus, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(OutputError) as raised:
        build.compiled(icarus, EMPTY, ARCH, waves=False)
    assert str(raised.value) == (
        f"cannot write the cache {tmp_path}/file/trispike/icarus: Not a directory; "
        "set XDG_CACHE_HOME to a directory that is writable"
    )
