"""`trispike compile`: a trained network to a memory image."""

from pathlib import Path
from typing import Annotated

import typer

from .. import api, image
from ..files import load_images
from . import options
from .console import say, show_json, show_table, stages

DEFAULT_LOSS = 0.005
MOST_TIME_STEPS = 16


def command(
    model: Annotated[Path, typer.Argument(help="Trained network: .onnx or .pt2.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Directory of the image.", metavar="DIR")],
    preset: options.Preset = None,
    arch: options.Arch = None,
    time_steps: Annotated[
        str, typer.Option(help="Spikes of a train, T, 1..16, or auto: as few as --loss allows.", metavar="T|auto")
    ] = str(api.DEFAULT_TIME_STEPS),
    loss: Annotated[
        float | None,
        typer.Option(help="Share of the images whose first choice may change, for --time-steps auto.", min=0, max=1),
    ] = None,
    silent: Annotated[
        str, typer.Option(help="Silent steps, S, 0..T, or auto: as many as the answers need.", metavar="S|auto")
    ] = "auto",
    tau: Annotated[float, typer.Option(help="Threshold per spike, 1/2 <= tau < 1.")] = api.DEFAULT_TAU,
    calibrate: Annotated[
        Path | None, typer.Option(help="Images that show the range of activations.", metavar="X.npz")
    ] = None,
    as_json: options.Json = False,
    verbose: options.Verbose = False,
) -> None:
    """Turn a trained network into spikes and place it on an architecture."""
    architecture = options.architecture(preset, arch)
    steps, allowed = _time_steps(time_steps, loss)
    image.check_target(output)
    calibration = None if calibrate is None else load_images(calibrate)
    with stages() as progress:
        compilation = api.compile_with_report(
            model, architecture, calibration=calibration, time_steps=steps, silent=_silent(silent), tau=tau,
            loss=allowed, progress=progress,
        )  # fmt: skip
    image.save(compilation.program, output)
    report = compilation.report
    for note in compilation.notes:
        say(f"note: {note}")
    if report.input_offset is not None:
        say(f"note: the input is coded around {report.input_offset[0]:.6g}..{report.input_offset[1]:.6g}")
    for warning in report.warnings:
        say(f"warning: {warning}")
    if as_json:
        show_json(report.to_dict())
        return
    rows = [
        (
            layer.name,
            layer.mode,
            layer.silent or "",
            "x".join(map(str, layer.shape)),
            "" if layer.theta is None else f"{layer.theta[0]}..{layer.theta[1]}",
            "" if layer.clipped is None else f"{100 * layer.clipped:.2f} %",
            "" if layer.sqnr_db is None else f"{layer.sqnr_db:.1f} dB",
            "" if layer.spikes is None else f"{layer.spikes:.3f}",
            layer.potential_bits,
        )
        for layer in report.layers
    ]
    columns = ("layer", "mode", "s", "output", "theta", "clipped", "SQNR", "spikes per step", "bits of V")
    steps_used = f"T = {report.time_steps}, s = {report.silent}"
    show_table(f"{report.network}: {steps_used}, {report.images} calibration images", columns, rows)
    say(
        f"wrote {output} for architecture {architecture.name}; first choice as in float: {100 * report.agreement:.1f} %"
    )


def _time_steps(text: str, loss: float | None) -> tuple[int, float | None]:
    """T and the loss with which to choose it instead, from the two options."""
    if text == "auto":
        return api.DEFAULT_TIME_STEPS, DEFAULT_LOSS if loss is None else loss
    if loss is not None:
        raise typer.BadParameter("--loss goes with --time-steps auto; leave one of them out")
    if not text.isdecimal() or not 1 <= int(text) <= MOST_TIME_STEPS:
        raise typer.BadParameter(f"--time-steps must be 1..{MOST_TIME_STEPS} or auto, not {text}")
    return int(text), None


def _silent(text: str) -> int | None:
    """s from its option, None for auto."""
    if text == "auto":
        return None
    if not text.isdecimal() or int(text) > MOST_TIME_STEPS:
        raise typer.BadParameter(f"--silent must be 0..{MOST_TIME_STEPS} or auto, not {text}")
    return int(text)
