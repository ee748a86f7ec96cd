"""Trained networks of other frameworks as a `Graph`: ONNX files, torch.export programs, nn.Module.

Model files are data: nothing in them is run.
"""

import os
import sys
from pathlib import Path
from typing import Any

from ..errors import ModelError
from ..graph import Graph
from .onnx_file import read_onnx
from .onnx_operators import ONNX
from .registry import Operator
from .torch_archive import read_archive
from .torch_module import from_module, from_program
from .torch_operators import ATEN

__all__ = ["from_module", "from_program", "load", "refused_operators", "supported_operators"]

_PICKLES = (".pt", ".pth", ".ckpt", ".pkl", ".bin")


def load(model: Any, example_input: Any = None) -> Graph:
    """The graph of `model`: a path that ends in .onnx or .pt2, an nn.Module or an ExportedProgram.

    `example_input` is needed for a module: a tensor or array (N, C, H, W) or (N, C).

    Raises:
        ModelError: if it cannot be read or holds what trispike does not support.
        InputError: if the example input for a module is missing.
        ToolError: if the package that reads it is missing.
    """
    if isinstance(model, str | os.PathLike):
        return _load_file(Path(model))
    # Whoever holds an exported program has imported torch; so this looks without importing it for those who have not.
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(model, torch.export.ExportedProgram):
        return from_program(model)
    if torch is not None and isinstance(model, torch.nn.Module):
        return from_module(model, example_input)
    raise ModelError(
        f"an object of the type {type(model).__name__} is not a model; "
        f"give the path of an .onnx or .pt2 file, or an nn.Module"
    )


def _load_file(path: Path) -> Graph:
    suffix = path.suffix.lower()
    if suffix in _PICKLES:
        raise ModelError(
            f"{path} is a pickle, which can run code and is not opened; export the network in Python with "
            f"torch.export.save(torch.export.export(module.eval(), (x,)), {path.with_suffix('.pt2').name!r})"
        )
    if suffix not in (".onnx", ".pt2"):
        raise ModelError(f"{path} has no known model suffix; trispike reads .onnx and .pt2 files")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(f"cannot read model file {path}: {error.strerror}") from error
    return read_onnx(path, data) if suffix == ".onnx" else read_archive(str(path), path.stem, data)


def supported_operators() -> tuple[Operator, ...]:
    """All operators that the importers read, by framework and name: the rows of the support table."""
    return (*ONNX.table(), *ATEN.table())


def refused_operators() -> tuple[tuple[str, str, str], ...]:
    """Operators that people ask for and that have no spiking counterpart: framework, name, reason."""
    return tuple(
        (registry.framework, name, registry.refusals[name])
        for registry in (ONNX, ATEN)
        for name in sorted(registry.refusals)
    )
