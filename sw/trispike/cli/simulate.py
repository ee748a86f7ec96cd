"""`trispike simulate`: the RTL against the golden model, bit by bit."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from .. import image
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
        bool, typer.Option(help="Let the host pause its streams at random; costs cycles, finds more.")
    ] = False,
    as_json: options.Json = False,
    verbose: options.Verbose = False,
) -> None:
    """Run images through the RTL in a simulator and compare every train with the golden model."""
    program = image.load(directory, options.demanded_architecture(preset, arch))
    x = load_images(input_file, program.network.input_shape)[:images]
    with progress("images simulated") as advance:
        report = simulate(program, x, engine=engine, stalls=stalls, progress=advance)
    summary = summarise(program, report)
    if as_json:
        show_json(summary)
    else:
        _show(summary)
    if not report.bit_exact:
        raise DeviceError(report.explain())
    say(report.explain())


def summarise(program: Program, report: "SimulationReport") -> dict[str, Any]:
    """A simulation in types that JSON knows.

    `cycles` and `input_cycles` hold one number per image; the counters of a layer are sums over the images.
    """
    layers = [
        {
            "name": name,
            "cycles": sum(image.layers[number].cycles for image in report.images),
            "events": sum(image.layers[number].events for image in report.images),
            "additions": sum(image.layers[number].additions for image in report.images),
        }
        for number, name in enumerate(program.layer_names)
    ]
    return {
        "bit_exact": report.bit_exact,
        "images": len(report.images),
        "architecture": program.arch.name,
        "processing_elements": program.arch.pes,
        "engine": f"{report.engine} {report.version}",
        "seconds": report.seconds,
        "load_cycles": report.load_cycles,
        "cycles": report.cycles,
        "input_cycles": [image.input_cycles for image in report.images],
        "layers": layers,
    }


def _show(summary: dict[str, Any]) -> None:
    count, elements = summary["images"], summary["processing_elements"]

    def row(name: str, cycles: int, events: int, additions: int) -> tuple[object, ...]:
        share = f"{additions / (elements * cycles):.3f}" if cycles else ""
        return name, round(cycles / count), round(events / count), round(additions / count), share

    layers = [tuple(layer.values()) for layer in summary["layers"]]
    events, additions = (sum(layer[column] for layer in layers) for column in (2, 3))
    rows = [
        ("input", round(sum(summary["input_cycles"]) / count), "", "", ""),
        *(row(*layer) for layer in layers),
        row("run, RUN to answer", sum(summary["cycles"]), events, additions),
        row("all, input to answer", sum(summary["cycles"]) + sum(summary["input_cycles"]), events, additions),
    ]
    title = f"{summary['architecture']} in {summary['engine']}: mean of {count} images (simulated)"
    show_table(title, ("layer", "cycles", "events", "additions", "useful share"), rows)
