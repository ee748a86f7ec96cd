"""`trispike simulate`: the RTL against the golden model, bit by bit."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from .. import image
from ..book import Book
from ..errors import DeviceError
from ..files import load_images
from ..program import Program
from ..simulation import simulate
from . import options
from .console import progress, say, show_json, show_table

if TYPE_CHECKING:
    from trispike_sim.report import SimulationReport


def command(
    directory: options.ImageDirectory,
    input_file: options.InputFile,
    images: Annotated[int | None, typer.Option(help="Use the first N images only.", metavar="N", min=1)] = None,
    engine: options.Engine = None,
    preset: options.DemandedPreset = None,
    arch: options.DemandedArch = None,
    stalls: Annotated[
        bool, typer.Option(help="Let host and weight memory pause their streams at random; costs cycles, finds more.")
    ] = False,
    weight_latency: Annotated[
        int,
        typer.Option(help="Cycles until the external weight memory answers a burst.", metavar="CYCLES", min=1),
    ] = 32,
    as_json: options.Json = False,
    verbose: options.Verbose = False,
) -> None:
    """Run images through the RTL in a simulator and compare every train with the golden model."""
    program = image.load(directory, options.demanded_architecture(preset, arch))
    x = load_images(input_file, program.network.input_shape)[:images]
    with progress("images simulated") as advance:
        report = simulate(program, x, engine=engine, stalls=stalls, weight_latency=weight_latency, progress=advance)
    summary = summarise(program, report)
    if as_json:
        show_json(summary)
    else:
        _show(summary)
    if not report.bit_exact:
        raise DeviceError(report.explain())
    say(report.explain())


def summarise(program: Program | Book, report: "SimulationReport") -> dict[str, Any]:
    """A simulation in types that JSON knows.

    `cycles`, `input_cycles` and `streamed_rows` hold one number per image; the counters of a layer are sums over the
    images and over its parts. `stalls` are lane-cycles by their reason.
    """
    from trispike_hw.layer_counters import STALLS  # slow to import

    layers = [
        {
            "name": same[0].name,
            "cycles": sum(layer.cycles for layer in same),
            "events": sum(layer.events for layer in same),
            "additions": sum(layer.additions for layer in same),
            "stalls": {reason: sum(getattr(layer, reason) for layer in same) for reason in STALLS},
        }
        for same in zip(*(image.layers for image in report.images), strict=True)
    ]
    return {
        "bit_exact": report.bit_exact,
        "images": len(report.images),
        "architecture": program.arch.name,
        "processing_elements": program.arch.pes,
        "lanes": program.arch.lanes,
        "engine": f"{report.engine} {report.version}",
        "seconds": report.seconds,
        "load_cycles": report.load_cycles,
        "cycles": report.cycles,
        "input_cycles": [image.input_cycles for image in report.images],
        "streamed_rows": [image.streamed_rows for image in report.images],
        "layers": layers,
    }


def _show(summary: dict[str, Any]) -> None:
    count, elements = summary["images"], summary["processing_elements"]

    def row(name: str, cycles: int, events: int, additions: int) -> tuple[object, ...]:
        share = f"{additions / (elements * cycles):.3f}" if cycles else ""
        return name, round(cycles / count), round(events / count), round(additions / count), share

    layers = [tuple(layer[key] for key in ("name", "cycles", "events", "additions")) for layer in summary["layers"]]
    events, additions = (sum(layer[column] for layer in layers) for column in (2, 3))
    rows = [
        ("input", round(sum(summary["input_cycles"]) / count), "", "", ""),
        *(row(*layer) for layer in layers),
        row("run, RUN to answer", sum(summary["cycles"]), events, additions),
        row("all, input to answer", sum(summary["cycles"]) + sum(summary["input_cycles"]), events, additions),
    ]
    title = f"{summary['architecture']} in {summary['engine']}: mean of {count} images (simulated)"
    show_table(title, ("layer", "cycles", "events", "additions", "useful share"), rows)
    _show_stalls(summary)


def _show_stalls(summary: dict[str, Any]) -> None:
    """Where the lanes' cycles went, in per cent of each layer's."""
    rows = []
    for layer in summary["layers"]:
        parts = [layer["events"], *layer["stalls"].values()]
        cycles = summary["lanes"] * layer["cycles"]
        shares = [*parts, cycles - sum(parts)]
        rows.append((layer["name"], *(f"{share / max(1, cycles):.1%}" for share in shares)))
    reasons = (reason.replace("_", " ") for reason in summary["layers"][0]["stalls"])
    show_table("What the lanes did in their cycles", ("layer", "event", *reasons, "no item"), rows)
