"""Sites for block RAMs: which ones, and that the device has them."""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from trispike.synthesis import synth
from trispike.synthesis.floorplan import LFE5U_85, Grid, place_block_rams
from trispike.synthesis.nextpnr import place_and_route
from trispike.synthesis.report import SynthesisReport
from trispike.synthesis.targets import TARGETS

SMALL = Grid(columns=tuple(range(100, 120)), rows=(5, 9))  # ten columns in a half


def names(cluster: int, weights: int = 3, pairs: int = 4, spikes: int = 4, constants: int = 2) -> list[str]:
    """Block RAMs of a cluster: `weights` for each pair of lanes, those of spikes and constants, one of pooling."""
    path = f"cluster{cluster}"
    return [
        *(f"{path}.weights{pair}.rows.ram{i}" for pair in range(pairs) for i in range(weights)),
        *(f"{path}.spikes.bank{i}_0.words.0.0" for i in range(spikes)),
        *(f"{path}.row.store.memory.0.{i}" for i in range(constants)),
        f"{path}.row.pool.trains.0.0",
    ]


def netlist(rams: list[str]) -> dict:
    cells = {name: {"type": "DP16KD"} for name in rams}
    return {"modules": {"top": {"cells": cells | {"cluster0.spikes.o": {"type": "LUT4", "attributes": {}}}}}}


def sites(design: Mapping) -> dict[str, str]:
    """Of the cells that have one."""
    cells = design["modules"]["top"]["cells"]
    return {name: cell["attributes"]["BEL"] for name, cell in cells.items() if "BEL" in cell.get("attributes", {})}


def test_each_cluster_has_a_half_of_the_device():
    design = netlist([*names(0), *names(1), "program.0.0"])
    assert place_block_rams(design, "top", SMALL) == 38
    found = sites(design)
    assert len(set(found.values())) == len(found) == 38
    at = {name: tuple(map(int, re.findall(r"\d+", site)[:2])) for name, site in found.items()}
    for name, (column, row) in at.items():
        if name.startswith("cluster0"):
            assert column < 110
            assert at[name.replace("cluster0", "cluster1")] == (219 - column, row)


def test_pairs_that_the_bus_unites_stand_above_each_other():
    design = netlist([*names(0), *names(1)])
    place_block_rams(design, "top", SMALL)
    found = sites(design)
    assert found["cluster0.weights0.rows.ram0"] == "X100/Y5/EBR0"
    assert found["cluster0.weights0.rows.ram2"] == "X102/Y5/EBR2"
    assert found["cluster0.weights1.rows.ram0"] == "X100/Y9/EBR0"
    assert found["cluster0.weights2.rows.ram2"] == "X109/Y5/EBR1"
    assert found["cluster0.weights3.rows.ram2"] == "X109/Y9/EBR1"
    assert found["cluster1.weights1.rows.ram0"] == "X119/Y9/EBR3"
    assert [found[f"cluster0.{name}"] for name in ("spikes.bank0_0.words.0.0", "row.store.memory.0.0")] == [
        "X104/Y5/EBR0",
        "X106/Y5/EBR2",
    ]


@pytest.mark.parametrize(
    "rams",
    [names(0), [*names(0), *names(1), *names(2)], [*names(0), *names(1, pairs=2)], [*names(0), *names(1, weights=4)]],
    ids=["one cluster", "three clusters", "fewer pairs", "too many"],
)
def test_another_shape_is_left_to_the_placer(rams: list[str]):
    design = netlist(rams)
    assert place_block_rams(design, "top", SMALL) == 0
    assert not sites(design)


@pytest.mark.parametrize(("held", "placed"), [(19, 2 * (8 * 8 + 16 + 13 + 1)), (21, 0)])
def test_only_what_takes_more_than_half_of_the_device_has_sites(tmp_path: Path, held: int, placed: int):
    design = netlist(
        [name for cluster in (0, 1) for name in names(cluster, weights=8, pairs=8, spikes=16, constants=13)]
    )
    design["modules"][synth.TOP] = design["modules"].pop("top")
    (tmp_path / "netlist.json").write_text(json.dumps(design))
    target = replace(TARGETS["ecp5-85k"], holds={"lut": held, "ff": 100})
    resources = {"lut": 10, "ff": 0, "bram": 190, "dsp": 0}
    report = SynthesisReport("large", "0" * 64, target, 512, resources, {}, {}, (), {})
    found = json.loads((tmp_path / synth._arranged(tmp_path, report, target)).read_text())
    found["modules"]["top"] = found["modules"].pop(synth.TOP)
    assert len(sites(found)) == placed


@pytest.mark.slow
def test_the_device_has_every_site(tmp_path):
    known = TARGETS["ecp5-85k"]
    pytest.importorskip(known.family.router.package)
    target = replace(known, family=replace(known.family, options=("--placer", "heap", "--out-of-context")))
    grid = [LFE5U_85.site(column, row) for column in range(52) for row in range(4)]
    assert len(set(grid)) == target.holds["bram"]
    cells = {
        f"ram{i}": {
            "hide_name": 0,
            "type": "DP16KD",
            "parameters": {},
            "attributes": {"BEL": site},
            "port_directions": {"CLKA": "input"},
            "connections": {"CLKA": [2]},
        }
        for i, site in enumerate(grid)
    }
    ports = {"clk": {"direction": "input", "bits": [2]}}
    top = {"attributes": {"top": "1"}, "ports": ports, "cells": cells, "netnames": {}}
    (tmp_path / "netlist.json").write_text(json.dumps({"creator": "test", "modules": {"top": top}}))
    report = place_and_route(target, tmp_path, "netlist.json", 1, 10.0)
    assert report["utilization"]["DP16KD"]["used"] == target.holds["bram"]
