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
from .conversion import ConversionReport, convert, fewest_silent_steps, fewest_time_steps
from .graph import Graph
from .lowering import fit
from .network import Network
from .program import Program
from .progress import StageProgress, unwatched

DEFAULT_TIME_STEPS = 8
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
    silent: int | None = None,
    tau: float = DEFAULT_TAU,
    loss: float | None = None,
    progress: StageProgress = unwatched,
) -> Compilation:
    """Convert a trained network to spikes and place it.

    `model` is a `Graph` or what `importers.load` reads: the path of an ONNX file or a `torch.export` program (.pt2), an
    ExportedProgram, or an nn.Module, which needs `calibration`. `arch` is an architecture or the name of a preset.
    `calibration` are images float32 [N, C, H, W] as the network wants them; without them made-up ones are used, and
    accuracy suffers. `time_steps` is T, 1..16, `silent` is s, 0..T (None: 1, or up to 4 where the
    first choice changes on more than 1 % of at least 100 calibration images), `tau` is phi / theta, 1/2 <= tau < 1.
    With `loss` T is the smallest one with which the first choice differs from the float network's for at most that
    share of the calibration images. `progress` is called while networks are converted and cut into chapters.

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
    network, report = _converted(graph, architecture, calibration, time_steps, silent, tau, loss, progress)
    program, reason = fit(network, architecture, progress)
    return Compilation(program, report, graph.notes if reason is None else (*graph.notes, reason))


def _converted(
    graph: Graph,
    arch: Architecture,
    calibration: np.ndarray | None,
    time_steps: int,
    silent: int | None,
    tau: float,
    loss: float | None,
    progress: StageProgress,
) -> tuple[Network, ConversionReport]:
    """The network in spikes, with T and s as given or searched for."""
    if loss is not None:
        return fewest_time_steps(
            graph, arch, loss=loss, calibration=calibration, silent=silent, tau=tau, progress=progress
        )
    if silent is None:
        return fewest_silent_steps(
            graph, arch, calibration=calibration, time_steps=time_steps, tau=tau, progress=progress
        )
    return convert(
        graph, arch, calibration=calibration, time_steps=time_steps, silent=silent, tau=tau, progress=progress
    )
