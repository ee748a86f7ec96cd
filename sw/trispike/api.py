"""The Python interface: the verbs of the command line as functions.

program = trispike.compile("net.onnx", "small", calibration=x)
answers = trispike.open_device("golden").run(program, x)
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from trispike_hw.architecture import Architecture, preset

from . import importers
from .book import Book
from .conversion import ConversionReport, convert, fewest_time_steps
from .graph import Graph
from .lowering import fit
from .program import Program

DEFAULT_TIME_STEPS = 8
DEFAULT_SILENT = 1
DEFAULT_TAU = 2 / 3


@dataclass(frozen=True)
class Compilation:
    """A program or book, what the conversion of its network reports, and what importer and lowering note (one sentence
    each)."""

    program: Program | Book
    report: ConversionReport
    notes: tuple[str, ...]


def compile(model: Any, arch: Architecture | str = "small", **options: Any) -> Program | Book:
    """The program, or the book where none holds it, of `model` on `arch`: `compile_with_report` without the report."""
    return compile_with_report(model, arch, **options).program


def compile_with_report(
    model: Any,
    arch: Architecture | str = "small",
    *,
    calibration: np.ndarray | None = None,
    time_steps: int = DEFAULT_TIME_STEPS,
    silent: int | None = DEFAULT_SILENT,
    tau: float = DEFAULT_TAU,
    loss: float | None = None,
) -> Compilation:
    """Convert a trained network to spikes and place it.

    `model` is a `Graph` or what `importers.load` reads: the path of an ONNX file or a `torch.export` program (.pt2), an
    ExportedProgram, or an nn.Module, which needs `calibration`. `arch` is an architecture or the name of a preset.
    `calibration` are images float32 [N, C, H, W] as the network wants them; without them made-up ones are used, and
    accuracy suffers. `time_steps` is T, 1..16, `silent` is s, 0..T (None: what each layer needs), `tau` is
    phi / theta, 1/2 <= tau < 1. With `loss` T is the smallest one with which the first choice differs from the float
    network's for at most that share of the calibration images.

    Raises:
        ModelError: if the model cannot be read or holds something unsupported.
        ConversionError: if it cannot be turned into spikes exactly.
        PlacementError: if it does not fit `arch`.
        InputError: if `calibration` does not fit the network, or is missing where `loss` needs it.
        ArchitectureError: if there is no such preset.
        ToolError: if the package that reads the model is missing.
    """
    architecture = preset(arch) if isinstance(arch, str) else arch
    example = None if calibration is None else calibration[:1]
    graph = model if isinstance(model, Graph) else importers.load(model, example)
    if loss is None:
        network, report = convert(
            graph, architecture, calibration=calibration, time_steps=time_steps, silent=silent, tau=tau
        )
    else:
        network, report = fewest_time_steps(
            graph, architecture, loss=loss, calibration=calibration, silent=silent, tau=tau
        )
    program, reason = fit(network, architecture)
    return Compilation(program, report, graph.notes if reason is None else (*graph.notes, reason))
