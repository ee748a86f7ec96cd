"""`trispike synth`: size and clock of an architecture on an FPGA."""

from typing import Annotated

import typer

from ..errors import PlacementError
from ..synthesis.nextpnr import median_and_best
from ..synthesis.report import SynthesisReport
from ..synthesis.synth import synthesise
from ..synthesis.targets import RESOURCES, TARGETS
from . import options
from .console import progress, say, show_json, show_table


def command(
    device: Annotated[str, typer.Option(help=f"One of {', '.join(TARGETS)}; xc7 is not placed and routed.")],
    preset: options.Preset = None,
    arch: options.Arch = None,
    seeds: Annotated[int, typer.Option(help="Runs of place and route, seeds 1..N.", metavar="N", min=1)] = 1,
    as_json: options.Json = False,
    verbose: options.Verbose = False,
) -> None:
    """Synthesise the RTL of an architecture, place and route it, and say what it takes and how fast it is."""
    if device not in TARGETS:
        raise typer.BadParameter(f"there is no device {device!r}; choose one of {', '.join(TARGETS)}")
    architecture = options.architecture(preset, arch)
    with progress(f"{architecture.name} on {device}, steps") as advance:
        report = synthesise(architecture, TARGETS[device], range(1, seeds + 1), advance)
    if as_json:
        show_json(report.to_dict())
    else:
        _show(report)
    if report.excess:
        raise PlacementError(
            f"architecture {report.architecture} does not fit {device}: it needs {report.excess}; choose a larger "
            f"device or a smaller architecture"
        )


def _show(report: SynthesisReport) -> None:
    columns = ("block", *(RESOURCES[resource] for resource in report.resources))
    rows = [(name, *block.values()) for name, block in report.blocks.items() if any(block.values())]
    rows.append(("all", *report.resources.values()))
    show_table(f"{report.architecture} on {report.target.name} (synthesised)", columns, rows)
    median, best = median_and_best(report.routings)
    if median is None:
        return
    slowest = min(report.routings, key=lambda routing: routing.fmax_mhz)
    count = len(report.routings)
    say(f"{median} MHz, median of {count} seed{'s' * (count != 1)}; best {best} MHz")
    say(f"critical path: {slowest.path_from} to {slowest.path_to}")
    if report.stuck_seeds:
        say(f"without an end, and stopped: the router with seed {', '.join(map(str, report.stuck_seeds))}")
