"""Sizes and clocks of the presets, cycles of the networks: the figures of the benchmark."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from trispike import api
from trispike.book import Book
from trispike.errors import PlacementError
from trispike.estimate import estimate
from trispike.simulation import simulate
from trispike.synthesis.synth import synthesise
from trispike.synthesis.targets import TARGETS
from trispike_hw.architecture import build, preset
from trispike_hw.layer_counters import STALLS
from trispike_sim.report import ImageReport

from .cases import Data, Run

DEVICES = {"nano": "ice40up5k", "small": "ecp5-25k", "base": "ecp5-45k", "large": "ecp5-85k"}
"""Where the clock of a preset is measured."""

XILINX = ("small",)
"""Presets that are synthesised for Xilinx 7, too: E3NE's size there is what they are compared with."""

KEPT = ("lut", "ff", "bram", "dsp", "fmax_mhz", "fmax_best_mhz", "lut_packed", "lut_per_pe", "fits", "blocks", "cells",
        "tools")  # fmt: skip


def design(name: str, device: str, seeds: int) -> dict[str, Any]:
    """A preset on a device."""
    report = synthesise(preset(name), TARGETS[device], range(1, seeds + 1))
    figures = report.to_dict()
    return {"preset": name, "device": device, "excess": report.excess, "seeds": len(report.routings) or None} | {
        key: figures[key] for key in KEPT
    }


def network(run: Run, data: Data, images: int, simulated: bool) -> dict[str, Any]:
    """A network on a preset: cycles from input in to answer out and additions, means of the first `images` images."""
    row: dict[str, Any] = run.names
    if run.changes:
        row["changes"] = run.changes
    arch = build(preset(run.preset).model_dump() | run.changes)
    try:
        program = api.compile(
            data.model, arch, calibration=data.calibration, time_steps=run.time_steps, silent=run.silent
        )
    except PlacementError as error:
        return row | {"skipped": str(error)}
    x = data.images[:images]
    if isinstance(program, Book):
        row["chapters"] = len(program.chapters)
        if not simulated:
            return row | {"skipped": "the estimate times one program"}
    if simulated:
        report = simulate(program, x, engine="verilator", stalls=False)
        cycles = np.mean([image.cycles + image.input_cycles for image in report.images])
        additions = np.mean([image.additions for image in report.images])
        row["bit_exact"] = report.bit_exact
        row["lane_cycles"] = lane_cycles(report.images, arch.lanes)
    else:
        found = estimate(program, x)
        cycles, additions = found.cycles + found.input_cycles, found.additions
    return row | {
        "source": "simulated" if simulated else "estimated",
        "images": len(x),
        "cycles": round(float(cycles)),
        "additions": round(float(additions)),
        "useful_share": round(float(additions / (program.arch.pes * cycles)), 4),
    }


def lane_cycles(images: Sequence[ImageReport], lanes: int) -> dict[str, float]:
    """Where the cycles of the lanes went, from input in to answer out: the share in which a lane issued an event, that
    of each cause of a loss, and that without an item (the end of a layer, the input, the answer)."""
    layers = [layer for image in images for layer in image.layers]
    counted = {name: sum(getattr(layer, name) for layer in layers) for name in ("events", *STALLS)}
    cycles = lanes * sum(image.cycles + image.input_cycles for image in images)
    counted["no_item"] = cycles - sum(counted.values())
    return {name: round(number / cycles, 4) for name, number in counted.items()}


def at_the_clock(row: dict[str, Any], designs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """`row` with images a second at the median clock of its preset, and the same per thousand look-up tables."""
    clocks = (made for made in designs if made["preset"] == row["preset"] and made["fmax_mhz"] is not None)
    made = next(clocks, None)
    if made is None or "cycles" not in row:
        return row
    rate = made["fmax_mhz"] * 1e6 / row["cycles"]
    return row | {"images_per_second": round(rate), "images_per_second_per_klut": round(rate / made["lut"] * 1000, 1)}
