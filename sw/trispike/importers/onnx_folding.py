"""Computes what an ONNX network derives from constants and shapes alone, and the shapes of everything else.

Exporters that leave the batch open write sizes as computations (Shape, Gather, Cast, Concat, ...) down to the pads of a
shortcut or the zeros beside it. With the batch fixed all of that is constant. Shapes come from onnx's own inference,
one node at a time so that each knows the constants before it; values from onnx's own reference evaluator.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import prod
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from .values import Constant

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto, TypeProto

_MOST_VALUES = 1 << 27  #: of a computed constant: a file of a few bytes must not fill the memory
_MOST_KNOWN_VALUES = 1 << 12  #: of a constant whose values shape inference gets to see
_RANDOM = ("RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial", "Bernoulli")


@dataclass
class Folding:
    """The network with its constants computed.

    `nodes` are those that depend on the network input's values, in order; `constants` all tensors that do not; `dims`
    the full shapes of all tensors that are known; `error` is what onnx first objected to, if it did.
    """

    constants: dict[str, Constant]
    nodes: list["NodeProto"] = field(default_factory=list)
    dims: dict[str, tuple[int, ...]] = field(default_factory=dict)
    error: Exception | None = None


def fold(onnx: ModuleType, model: "ModelProto", opset: int, constants: dict[str, Constant]) -> Folding:
    """Fold `model`, whose initializers are `constants`; an open batch counts as one sample."""
    folder = _Folder(onnx, opset, Folding(dict(constants)))
    for value in model.graph.input:
        if value.name not in constants:
            folder.add_input(value.name, value.type)
    folder.add(model.graph.node)
    return folder.folding


class _Folder:
    def __init__(self, onnx: ModuleType, opset: int, folding: Folding) -> None:
        self.folding = folding
        self._onnx = onnx
        self._opset = opset
        self._types: dict[str, TypeProto] = {
            name: self._type_of(constant.array) for name, constant in folding.constants.items()
        }

    def add_input(self, name: str, kind: "TypeProto") -> None:
        """A tensor that depends on the network input, of type `kind`."""
        known = self._onnx.TypeProto()
        known.CopyFrom(kind)
        dims = known.tensor_type.shape.dim
        if len(dims) and not dims[0].HasField("dim_value"):
            dims[0].dim_value = 1
        self._learn(name, known)

    def add(self, nodes: Iterable["NodeProto"]) -> None:
        """Nodes in order of computation."""
        for node in nodes:
            self._add_node(node)

    def _add_node(self, node: "NodeProto") -> None:
        branch = self._branch(node)
        if branch is not None:
            self._add_branch(node, branch)
            return
        types = self._inferred(node)
        values = self._values(node, types)
        if values is None:
            self.folding.nodes.append(node)
            for name, kind in types.items():
                self._learn(name, kind)
            return
        for name, array in zip(node.output, values, strict=False):
            self.folding.constants[name] = Constant(node.name or name, np.asarray(array))
            self._types[name] = self._type_of(np.asarray(array))

    def _branch(self, node: "NodeProto") -> "GraphProto | None":
        """The branch that an If with a constant condition takes."""
        condition = self.folding.constants.get(node.input[0]) if node.op_type == "If" and node.input else None
        if condition is None or condition.array.size != 1:
            return None
        taken = "then_branch" if condition.array.reshape(-1)[0] else "else_branch"
        return next((attribute.g for attribute in node.attribute if attribute.name == taken), None)

    def _add_branch(self, node: "NodeProto", branch: "GraphProto") -> None:
        for tensor in branch.initializer:
            array = self._onnx.numpy_helper.to_array(tensor)
            self.folding.constants[tensor.name] = Constant(tensor.name, array)
            self._types[tensor.name] = self._type_of(array)
        self.add(branch.node)
        for inner, outer in zip(branch.output, node.output, strict=False):
            self._add_node(self._onnx.helper.make_node("Identity", [inner.name], [outer], name=node.name or outer))

    def _learn(self, name: str, kind: "TypeProto") -> None:
        self._types[name] = kind
        dims = _dims(kind)
        if dims is not None:
            self.folding.dims[name] = dims

    def _type_of(self, array: np.ndarray) -> "TypeProto":
        element = self._onnx.helper.np_dtype_to_tensor_dtype(array.dtype)
        return self._onnx.helper.make_tensor_type_proto(element, array.shape)

    def _inferred(self, node: "NodeProto") -> dict[str, "TypeProto"]:
        """Types of the outputs of `node`, as far as onnx can tell."""
        onnx, constants = self._onnx, self.folding.constants
        names = [name for name in node.input if name]
        if any(name not in self._types for name in names):
            return {}
        known = {
            name: onnx.numpy_helper.from_array(constants[name].array, name)
            for name in names
            if name in constants and constants[name].array.size <= _MOST_KNOWN_VALUES
        }
        try:
            schema = onnx.defs.get_schema(node.op_type, self._opset, node.domain)
            return onnx.shape_inference.infer_node_outputs(
                schema,
                node,
                {name: self._types[name] for name in names},
                known,
                opset_imports=[onnx.helper.make_opsetid("", self._opset)],
            )
        except (onnx.defs.SchemaError, onnx.shape_inference.InferenceError, ValueError, RuntimeError) as error:
            self.folding.error = self.folding.error or error
            return {}

    def _values(self, node: "NodeProto", types: dict[str, "TypeProto"]) -> list[np.ndarray] | None:
        """The outputs of `node` if they are constant."""
        constants, names = self.folding.constants, [name for name in node.input if name]
        if node.op_type in ("Shape", "Size") and names and names[0] in self.folding.dims:
            whole = np.array(self.folding.dims[names[0]], np.int64)
            ends = {attribute.name: attribute.i for attribute in node.attribute}
            return [whole[ends.get("start") : ends.get("end")] if node.op_type == "Shape" else whole.prod()]
        if node.op_type == "CastLike" and names[0] in constants and names[1] in self._types:
            element = self._types[names[1]].tensor_type.elem_type
            return [constants[names[0]].array.astype(self._onnx.helper.tensor_dtype_to_np_dtype(element))]
        if any(name not in constants for name in names) or node.op_type in _RANDOM or not node.output:
            return None
        sizes = [_dims(types[name]) if name in types else None for name in node.output if name]
        if any(size is None or prod(size) > _MOST_VALUES for size in sizes):
            return None
        return self._evaluated(node, names)

    def _evaluated(self, node: "NodeProto", names: list[str]) -> list[np.ndarray] | None:
        from onnx.reference import ReferenceEvaluator  # its operators are slow to load, and many files need none

        helper, value_info = self._onnx.helper, self._onnx.ValueInfoProto
        feeds = {name: self.folding.constants[name].array for name in names}
        graph = helper.make_graph(
            [node],
            "constant",
            [value_info(name=name) for name in feeds],
            [value_info(name=name) for name in node.output],
        )
        try:
            return [np.asarray(value) for value in ReferenceEvaluator(graph, opsets={"": self._opset}).run(None, feeds)]
        except Exception:
            # What the evaluator does not know, or cannot compute, stays a node, which is then refused by its name.
            return None


def _dims(kind: "TypeProto") -> tuple[int, ...] | None:
    """The shape of a tensor type, if all of it is known."""
    if not kind.tensor_type.HasField("shape"):
        return None
    dims = kind.tensor_type.shape.dim
    return tuple(dim.dim_value for dim in dims) if all(dim.HasField("dim_value") for dim in dims) else None
