"""Reads an nn.Module: torch.export turns it into a program, which the archive reader then reads like a saved one."""

import io
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError, ModelError, ToolError
from ..graph import Graph
from .onnx_file import first_line
from .torch_archive import read_archive

if TYPE_CHECKING:
    from torch import nn
    from torch.export import ExportedProgram


def _torch() -> Any:
    try:
        import torch
    except ImportError as error:
        raise ToolError("reading a module needs the torch package; install trispike[torch]") from error
    return torch


def from_module(module: "nn.Module", example_input: Any) -> Graph:
    """The graph of `module` in evaluation mode; its training state is left as it was.

    `example_input` is a tensor or array (N, C, H, W) or (N, C); only its shape and type matter.

    Raises:
        InputError: if there is no example input.
        ModelError: if torch.export cannot export the module, or it holds what trispike does not support.
        ToolError: if torch is missing.
    """
    torch = _torch()
    source = type(module).__name__
    if example_input is None:
        raise InputError(f"{source}: reading a module needs an example input; give a float32 tensor (1, C, H, W)")
    if isinstance(example_input, np.ndarray):
        example_input = torch.from_numpy(example_input)
    training = {part: part.training for part in module.modules()}
    try:
        program = torch.export.export(module.eval(), (example_input,))
    except Exception as error:
        # Export runs the module's own code, which may raise anything.
        raise ModelError(f"{source} cannot be exported by torch.export: {first_line(error)}") from error
    finally:
        for part, state in training.items():
            part.training = state
    return from_program(program, source)


def from_program(program: "ExportedProgram", source: str = "ExportedProgram") -> Graph:
    """The graph of an exported program; `source` starts messages and names the graph.

    Raises:
        ModelError: if it holds what trispike does not support.
        ToolError: if torch is missing.
    """
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # torch's own pytree code calls what it has itself deprecated.
        warnings.simplefilter("ignore", FutureWarning)
        _torch().export.save(program, buffer)
    return read_archive(source, source, buffer.getvalue())
