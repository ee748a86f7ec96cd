"""Small ONNX models for the tests of the importer."""

from pathlib import Path

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402  (only behind the check that onnx is there)


def rng() -> np.random.Generator:
    return np.random.default_rng(11)


def w(*shape: int, seed: int = 0) -> np.ndarray:
    """Random weights that keep the size of what they meet."""
    return (np.random.default_rng(seed).standard_normal(shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)


def n(operator, inputs, output, **attributes):
    """A node named after its output; `inputs` is a string of names."""
    return helper.make_node(operator, inputs.split(","), [output], name=output, **attributes)


def model(nodes, tensors, shape=("N", 2, 8, 8), output="y", opset=17, **changes):
    graph = helper.make_graph(
        nodes,
        "net",
        changes.get("inputs", [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)]),
        changes.get("outputs", [helper.make_tensor_value_info(output, TensorProto.FLOAT, ("N", "K"))]),
        [numpy_helper.from_array(np.asarray(array), name) for name, array in tensors.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def value_info(name, shape):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def save(tmp_path, proto, name="net.onnx") -> Path:
    path = tmp_path / name
    path.write_bytes(proto.SerializeToString())
    return path


BATCH_NORM = {
    "g": np.array([1.5, -0.5, 2.0], np.float32),
    "h": np.array([0.1, 0.2, -0.3], np.float32),
    "m": np.array([0.5, -1.0, 0.0], np.float32),
    "v": np.array([0.5, 2.0, 1.0], np.float32),
}
CONV = {"w": w(3, 2, 3, 3), "b": w(3, seed=1), "f": w(4, 3 * 8 * 8, seed=2), "c": w(4, seed=3)}
HEAD = (n("Flatten", "p", "q"), n("Gemm", "q,f,c", "y", transB=1))


def expected(path: Path, x: np.ndarray, name: str = "x") -> np.ndarray:
    """What onnxruntime computes, as the file says: optimized, zeros padded before a max pooling never win."""
    runtime = pytest.importorskip("onnxruntime")
    options = runtime.SessionOptions()
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return runtime.InferenceSession(str(path), options).run(None, {name: x})[0]
