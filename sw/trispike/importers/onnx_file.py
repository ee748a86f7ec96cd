"""Reads ONNX files through the onnx package's own loader, checker, schemas and shape inference."""

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ..errors import ModelError, ToolError
from ..graph import Graph
from .onnx_folding import Folding, fold
from .onnx_operators import ONNX
from .trace import Reference, Step, Trace, build_graph, needed_steps
from .values import Constant

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto

OLDEST_OPSET = 7


def _onnx() -> ModuleType:
    try:
        import onnx
    except ImportError as error:
        raise ToolError("reading ONNX files needs the onnx package; install trispike[onnx]") from error
    return onnx


def first_line(error: Exception) -> str:
    """The first line of a foreign error, fit to stand inside a sentence."""
    lines = str(error).strip().splitlines()
    return lines[0].strip().rstrip(".:") if lines else type(error).__name__


def read_onnx(path: Path, data: bytes) -> Graph:
    """The graph of the ONNX model `data`, read from `path`.

    Weights in external files are read if those lie in the model's folder. The batch may be dynamic.

    Raises:
        ModelError: if it is no ONNX model or holds what trispike does not support.
        ToolError: if the onnx package is missing.
    """
    onnx = _onnx()
    source = str(path)
    model = _parse(onnx, source, data)
    _load_external_data(onnx, path, model)
    opset = _opset(source, model)
    if model.functions:
        model = onnx.inliner.inline_local_functions(model)
    constants = {tensor.name: _constant(onnx, source, tensor.name, tensor) for tensor in model.graph.initializer}
    folding = fold(onnx, model, opset, constants)
    trace = _trace(onnx, path, model, opset, folding)
    # Operators first: for one that is not supported the checker's own message would be far from the point.
    needed_steps(trace, ONNX)
    try:
        onnx.checker.check_model(model)
        if folding.error is not None:
            raise folding.error
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError, ValueError, RuntimeError) as error:
        raise ModelError(f"{source} is not a valid ONNX model: {first_line(error)}") from error
    return build_graph(trace, ONNX)


def _parse(onnx: ModuleType, source: str, data: bytes) -> "ModelProto":
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load_model_from_string(data)
    except (DecodeError, ValueError) as error:
        raise ModelError(f"{source} is not an ONNX file; export the network to ONNX again") from error
    if not model.graph.node:
        raise ModelError(f"{source} is not an ONNX file, or one without a network; export the network to ONNX again")
    return model


def _load_external_data(onnx: ModuleType, path: Path, model: "ModelProto") -> None:
    """Read weights that lie in files beside the model; onnx itself refuses any that lie outside the model's folder."""
    try:
        onnx.load_external_data_for_model(model, str(path.parent))
    except (onnx.checker.ValidationError, ValueError, OSError) as error:
        raise ModelError(
            f"{path}: weights in an external file cannot be read ({first_line(error)}); keep the file beside the "
            f"model, or save the model with its weights inside"
        ) from error


def _opset(source: str, model: "ModelProto") -> int:
    versions = [entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")]
    if not versions or max(versions) < OLDEST_OPSET:
        found = max(versions) if versions else "none"
        raise ModelError(
            f"{source} has the ONNX opset {found}; trispike reads opset {OLDEST_OPSET} and later, so export it again"
        )
    return max(versions)


def _single(source: str, what: str, names: list[str]) -> str:
    if len(names) != 1:
        raise ModelError(
            f"{source} has {len(names)} {what}s ({', '.join(names)}); trispike reads networks with one "
            f"{what}, so export the network with that alone"
        )
    return names[0]


def _trace(onnx: ModuleType, path: Path, model: "ModelProto", opset: int, folding: Folding) -> Trace:
    graph, source = model.graph, str(path)
    stored = {tensor.name for tensor in graph.initializer}
    inputs = {value.name: value for value in graph.input if value.name not in stored}
    name = _single(source, "input", list(inputs))
    dims = tuple(
        dim.dim_value if dim.HasField("dim_value") else None for dim in inputs[name].type.tensor_type.shape.dim
    )
    output = _single(source, "output", [value.name for value in graph.output])
    steps = tuple(_step(onnx, source, node, opset) for node in folding.nodes)
    return Trace(source, path.stem, name, dims, output, folding.constants, steps, folding.dims)


def _constant(onnx: ModuleType, source: str, name: str, tensor: "TensorProto") -> Constant:
    try:
        return Constant(name, onnx.numpy_helper.to_array(tensor))
    except (TypeError, ValueError, KeyError) as error:
        raise ModelError(
            f"{source}: tensor {name!r} has bytes that do not fit its shape or type; export the network again"
        ) from error


def _step(onnx: ModuleType, source: str, node: "NodeProto", opset: int) -> Step:
    operator = node.op_type if node.domain in ("", "ai.onnx") else f"{node.domain}::{node.op_type}"
    arguments = dict(_arguments(onnx, source, node, opset)) if operator in ONNX else {}
    outputs = tuple(node.output)
    return Step(node.name or (outputs[0] if outputs else operator), operator, operator, arguments, outputs)


def _arguments(onnx: ModuleType, source: str, node: "NodeProto", opset: int) -> Iterator[tuple[str, Any]]:
    """Inputs and attributes under the names of the operator's schema, whose defaults stand in for what is missing."""
    schema = onnx.defs.get_schema(node.op_type, opset)
    for index, (formal, name) in enumerate(zip(schema.inputs, node.input, strict=False)):
        if formal.option == onnx.defs.OpSchema.FormalParameterOption.Variadic:
            yield formal.name, tuple(Reference(other) for other in node.input[index:])
        elif name:
            yield formal.name, Reference(name)
    given = {attribute.name: attribute for attribute in node.attribute}
    for key in given.keys() | schema.attributes.keys():
        attribute = given.get(key) or schema.attributes[key].default_value
        if attribute.type == onnx.AttributeProto.UNDEFINED:
            continue
        try:
            value = onnx.helper.get_attribute_value(attribute)
        except ValueError as error:
            raise ModelError(
                f"{source}: node {node.name!r} ({node.op_type}) has an attribute {key!r} of no known type; "
                f"export the network again"
            ) from error
        if isinstance(value, onnx.TensorProto):
            yield key, _constant(onnx, source, node.output[0], value)
        else:
            yield key, value.decode("utf-8", "replace") if isinstance(value, bytes) else value
