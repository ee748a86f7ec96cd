"""Reads torch.export programs (.pt2) without torch and without running anything in them.

A .pt2 file is a zip archive of JSON and raw tensor bytes. torch's own loader also unpickles parts of it and evaluates
expressions, that is, it can be made to run code; this reader takes the JSON graph and the raw bytes, and refuses
archives that keep weights as pickles. Sources of the layout: torch/csrc/export/pt2_archive_constants.h and
torch/_export/serde/schema.py.
"""

import io
import json
import zipfile
import zlib
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from pydantic import BaseModel

from ..errors import ModelError
from ..graph import Graph
from .torch_operators import ATEN
from .trace import Reference, Step, Trace, build_graph
from .values import Constant

SCHEMA_MAJOR = 8
_NOT_A_PROGRAM = (
    "is not a torch.export program, or a damaged one; save it again with torch.export.save of torch 2.9 or later"
)

# torch/_export/serde/schema.py, ScalarType; types that NumPy lacks are refused by number.
_DTYPES = {1: "u1", 2: "i1", 3: "<i2", 4: "<i4", 5: "<i8", 6: "<f2", 7: "<f4", 8: "<f8", 12: "?"}

_QUALIFIED_NAME = {
    "parameter": "parameter_name",
    "buffer": "buffer_name",
    "tensor_constant": "tensor_constant_name",
}

_ATEN_PREFIX = "torch.ops.aten."


class _Hint(BaseModel):
    as_int: int


class _Expression(BaseModel):
    hint: _Hint | None = None


class _Size(BaseModel):
    as_int: int | None = None
    as_expr: _Expression | None = None

    @property
    def value(self) -> int | None:
        """The size; of a dynamic one, what it was when the program was exported."""
        if self.as_int is not None:
            return self.as_int
        return self.as_expr.hint.as_int if self.as_expr and self.as_expr.hint else None


class _TensorMeta(BaseModel):
    dtype: int
    sizes: list[_Size]
    strides: list[_Size]
    storage_offset: _Size


class _Payload(BaseModel):
    path_name: str
    use_pickle: bool
    tensor_meta: _TensorMeta | None = None


class _Payloads(BaseModel):
    config: dict[str, _Payload]


class _Argument(BaseModel):
    name: str
    arg: dict[str, Any]


class _Node(BaseModel):
    target: str
    inputs: list[_Argument]
    outputs: list[dict[str, Any]]
    name: str | None = None


class _GraphRecord(BaseModel):
    nodes: list[_Node]
    tensor_values: dict[str, _TensorMeta]


class _Signature(BaseModel):
    input_specs: list[dict[str, dict[str, Any]]]
    output_specs: list[dict[str, dict[str, Any]]]


class _GraphModule(BaseModel):
    graph: _GraphRecord
    signature: _Signature


class _Version(BaseModel):
    major: int


class _Program(BaseModel):
    graph_module: _GraphModule
    schema_version: _Version


def read_archive(source: str, name: str, data: bytes) -> Graph:
    """The graph of the .pt2 archive `data`; `source` starts messages, `name` is the graph's.

    Raises:
        ModelError: if it is no such archive or holds what trispike does not support.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            trace = _Reader(source, archive).trace(name)
    except (zipfile.BadZipFile, zlib.error, EOFError, KeyError, ValueError, TypeError, RuntimeError) as error:
        # A zip that is no program, JSON of another layout, sizes that do not match the bytes: all come to the same.
        raise ModelError(f"{source} {_NOT_A_PROGRAM}") from error
    return build_graph(trace, ATEN)


class _Reader:
    def __init__(self, source: str, archive: zipfile.ZipFile):
        self._source = source
        self._archive = archive
        names = archive.namelist()
        models = [name for name in names if name.endswith("models/model.json")]
        if len(models) != 1:
            raise ModelError(f"{source} {_NOT_A_PROGRAM}")
        self._root = PurePosixPath(models[0]).parent.parent
        self._program = _Program.model_validate(json.loads(archive.read(models[0])))
        major = self._program.schema_version.major
        if major != SCHEMA_MAJOR:
            raise ModelError(f"{source} has the torch.export schema {major}; trispike reads schema {SCHEMA_MAJOR}")

    def _constants(self, folder: str, config: str) -> dict[str, Constant]:
        """The tensors of one folder of the archive, by qualified name."""
        path = self._root / "data" / folder
        payloads = _Payloads.model_validate(json.loads(self._archive.read(str(path / config))))
        return {name: self._tensor(name, path, payload) for name, payload in payloads.config.items()}

    def _tensor(self, name: str, folder: PurePosixPath, payload: _Payload) -> Constant:
        meta = payload.tensor_meta
        if payload.use_pickle or meta is None:
            raise ModelError(
                f"{self._source}: tensor {name!r} is kept as a pickle, which can run code and is not opened; "
                f"export the network with plain tensors"
            )
        if meta.dtype not in _DTYPES:
            raise ModelError(
                f"{self._source}: tensor {name!r} has the torch scalar type {meta.dtype}, which is not supported; "
                f"export the network as float32"
            )
        dtype = np.dtype(_DTYPES[meta.dtype])
        shape = tuple(_known(size) for size in meta.sizes)
        strides = tuple(_known(stride) * dtype.itemsize for stride in meta.strides)
        offset = _known(meta.storage_offset) * dtype.itemsize
        if 0 in shape:
            return Constant(name, np.zeros(shape, dtype))
        raw = self._archive.read(str(folder / payload.path_name))
        return Constant(name, np.ndarray(shape, dtype, raw, offset, strides))

    def trace(self, name: str) -> Trace:
        """The program as steps; parameters and buffers bear their qualified names."""
        graph, signature = self._program.graph_module.graph, self._program.graph_module.signature
        tensors = self._constants("weights", "model_weights_config.json")
        tensors |= self._constants("constants", "model_constants_config.json")
        constants: dict[str, Constant] = {}
        inputs = []
        for spec in signature.input_specs:
            ((kind, entry),) = spec.items()
            match kind:
                case "user_input":
                    inputs.append(_tensor_name(entry["arg"]))
                case "parameter" | "buffer" | "tensor_constant":
                    constants[_name(entry["arg"])] = tensors[entry[_QUALIFIED_NAME[kind]]]
                case _:
                    raise ModelError(f"{self._source} has an input of the kind {kind!r}, which is not supported")
        outputs = [
            _tensor_name(spec["user_output"]["arg"]) if "user_output" in spec else next(iter(spec))
            for spec in signature.output_specs
        ]
        input_name, output_name = self._single("input", inputs), self._single("output", outputs)
        dims: dict[str, tuple[int, ...]] = {}
        for key, meta in graph.tensor_values.items():
            sizes = [size.value for size in meta.sizes]
            known = tuple(size for size in sizes if size is not None)
            if len(known) == len(sizes):
                dims[key] = known
        sizes = graph.tensor_values[input_name].sizes
        # A dynamic batch is worth what it was at export, as in all other shapes; other sizes must be fixed.
        input_dims = (*(size.value for size in sizes[:1]), *(size.as_int for size in sizes[1:]))
        return Trace(
            source=self._source,
            name=name,
            input=input_name,
            input_dims=input_dims,
            output=output_name,
            constants=constants,
            steps=tuple(_step(node, constants) for node in graph.nodes),
            dims=dims,
        )

    def _single(self, what: str, names: list[str]) -> str:
        if len(names) != 1:
            raise ModelError(
                f"{self._source} has {len(names)} {what}s ({', '.join(names)}); trispike reads networks with one "
                f"{what}, so export the network with that alone"
            )
        return names[0]


def _known(size: _Size) -> int:
    if size.as_int is None or size.as_int < 0:
        raise ValueError("a stored tensor has a size that is not fixed")
    return size.as_int


def _name(tensor: dict[str, Any]) -> str:
    name = tensor["name"]
    if not isinstance(name, str):
        raise TypeError("a tensor has a name that is no text")
    return name


def _tensor_name(argument: dict[str, Any]) -> str:
    """The tensor that an input or output is; of anything else its kind, which no step makes."""
    return _name(argument["as_tensor"]) if "as_tensor" in argument else ", ".join(argument) or "nothing"


def _value(argument: dict[str, Any]) -> Any:
    """An argument's value; tensors become references, symbolic sizes None (shapes come from the inferred ones)."""
    ((kind, value),) = argument.items()
    match kind:
        case "as_tensor":
            return Reference(_name(value))
        case "as_tensors":
            return tuple(Reference(_name(tensor)) for tensor in value)
        case "as_optional_tensor":
            return _value(value)
        case "as_int" | "as_ints" | "as_float" | "as_floats" | "as_bool" | "as_string":
            return value
        case _:
            return None


def _step(node: _Node, constants: dict[str, Constant]) -> Step:
    """A node as a step, named after the module whose parameters it uses where there is one."""
    arguments = {argument.name: _value(argument.arg) for argument in node.inputs}
    label = node.target.removeprefix("torch.ops.")
    operator, in_place = label, False
    if node.target.startswith(_ATEN_PREFIX):
        operator = node.target.removeprefix(_ATEN_PREFIX).split(".")[0]
        if operator not in ATEN and operator.endswith("_"):
            operator, in_place = operator.removesuffix("_"), True
    outputs = tuple(
        _name(tensor)
        for output in node.outputs
        for tensor in output.get("as_tensors", [output.get("as_tensor") or output.get("as_sym_int") or {}])
        if "name" in tensor
    )
    name = node.name or (outputs[0] if outputs else operator)
    weight = arguments.get("weight")
    if isinstance(weight, Reference) and weight.name in constants:
        name = constants[weight.name].name.removesuffix(".weight")
    return Step(name, operator, label, arguments, outputs, in_place)
