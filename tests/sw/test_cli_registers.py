"""`trispike registers` and `trispike verilog --bus`: the register map in every language, the wrappers as Verilog."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from trispike_hw.bus.registers import BUS_REGISTERS, RESET
from trispike_hw.registers import EVENTS, MAGIC_VALUE, REGISTERS, layer_register

PAGE = Path(__file__).parents[2] / "docs" / "registers.md"
PROGRAM = """
#include "registers.h"
#include <stdio.h>
int main(void) {
    printf("%u %u %u %u\\n", TRISPIKE_EVENTS, TRISPIKE_RESET, TRISPIKE_LAYER_WORDS(3), TRISPIKE_MAGIC_VALUE);
    return 0;
}
"""


def test_the_page_is_what_the_verb_prints(trispike):
    code, out, err = trispike("registers", "--markdown")
    assert (code, err) == (0, "")
    assert out == PAGE.read_text(encoding="utf-8"), "trispike registers --markdown > docs/registers.md"


def test_the_table_and_json_name_every_register(trispike):
    names = [register.name for register in (*REGISTERS, *BUS_REGISTERS)]
    assert len(set(names)) == len(names)
    table = trispike("registers")[1]
    assert all(name in table for name in names)
    assert [row["name"] for row in json.loads(trispike("registers", "--json")[1])] == names
    assert trispike("registers", "--json", "--markdown")[0] == 2


def test_the_header_compiles_and_says_where_things_are(trispike, tmp_path):
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("there is no C compiler")
    (tmp_path / "registers.h").write_text(trispike("registers", "--c-header")[1])
    (tmp_path / "main.c").write_text(PROGRAM)
    subprocess.run([compiler, "-Wall", "-Werror", "-std=c99", "main.c", "-o", "main"], cwd=tmp_path, check=True)
    out = subprocess.run([tmp_path / "main"], capture_output=True, text=True, check=True).stdout
    offsets = [4 * register.offset for register in (EVENTS, RESET, layer_register(3, "words"))]
    assert list(map(int, out.split())) == [*offsets, MAGIC_VALUE]


@pytest.mark.parametrize(("bus", "port"), [("stream", "i__payload"), ("axi", "s_axi_araddr"), ("wishbone", "wb_adr")])
def test_verilog_has_the_ports_of_the_bus(trispike, bus, port):
    Path("narrow.toml").write_text('base = "nano"\ncolumns = 4\n')
    assert trispike("verilog", "--arch", "narrow.toml", "--bus", bus, "-o", "narrow.v")[0] == 0
    assert re.search(rf"^module trispike\(.*\b{port}\b", Path("narrow.v").read_text(), re.MULTILINE)


def test_an_unknown_bus_is_wrong_usage(trispike):
    code, _, err = trispike("verilog", "--bus", "omnibus", "-o", "nano.v")
    assert code == 2 and "there is no bus 'omnibus'" in err
