"""ONNX files: the graph computes what onnxruntime computes, and what is not supported is refused by name."""

from pathlib import Path

import numpy as np
import pytest

from trispike.errors import ModelError
from trispike.float_reference import run
from trispike.graph import Add, Affine, AveragePool, Concat, Conv, MaxPool, Pad, Relu
from trispike.importers import load

onnx = pytest.importorskip("onnx")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402  (only behind the check that onnx is there)

SHARED = Path(__file__).parents[3] / "shared" / "data"
SUPPORTED = (
    "Add, AveragePool, BatchNormalization, Clip, Concat, Constant, Conv, Div, Dropout, Flatten, Gemm, "
    "GlobalAveragePool, GlobalMaxPool, Identity, LogSoftmax, MatMul, MaxPool, Mul, Pad, ReduceMean, Relu, Reshape, "
    "Slice, Softmax, Squeeze, Sub, Sum, Transpose, Unsqueeze"
)


def _rng():
    return np.random.default_rng(11)


def _w(*shape, seed=0):
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


def save(tmp_path, proto, name="net.onnx"):
    path = tmp_path / name
    path.write_bytes(proto.SerializeToString())
    return path


BATCH_NORM = {
    "g": np.array([1.5, -0.5, 2.0], np.float32),
    "h": np.array([0.1, 0.2, -0.3], np.float32),
    "m": np.array([0.5, -1.0, 0.0], np.float32),
    "v": np.array([0.5, 2.0, 1.0], np.float32),
}
CONV = {"w": _w(3, 2, 3, 3), "b": _w(3, seed=1), "f": _w(4, 3 * 8 * 8, seed=2), "c": _w(4, seed=3)}
HEAD = (n("Flatten", "p", "q"), n("Gemm", "q,f,c", "y", transB=1))

NETWORKS = {
    "batch_norm": model(
        [
            n("Conv", "x,w,b", "a", pads=[1, 1, 1, 1]),
            n("BatchNormalization", "a,g,h,m,v", "bn", epsilon=1e-3),
            n("Relu", "bn", "p"),
            *HEAD,
        ],
        CONV | BATCH_NORM,
    ),
    "dropped_and_clipped": model(
        [
            n("Identity", "x", "i"),
            n("Conv", "i,w", "a", auto_pad="SAME_UPPER"),
            n("Dropout", "a", "d"),
            n("BatchNormalization", "d,g,h,m,v", "bn"),
            n("Clip", "bn,low,high", "p"),
            *HEAD,
        ],
        CONV | BATCH_NORM | {"low": np.float32(0), "high": np.float32(0.75)},
    ),
    "windows": model(
        [
            n("Conv", "x,w,b", "a", pads=[2, 0, 1, 1], strides=[1, 2], dilations=[2, 1]),
            n("MaxPool", "a", "m1", kernel_shape=[3, 2], strides=[2, 1], pads=[1, 0, 0, 1]),
            n("AveragePool", "m1", "a1", kernel_shape=[2, 2], pads=[1, 0, 0, 1]),
            n("AveragePool", "a1", "a2", kernel_shape=[2, 2], pads=[1, 0, 0, 1], count_include_pad=1),
            n("GlobalAveragePool", "a2", "gap"),
            n("Flatten", "gap", "q"),
            n("Gemm", "q,f,c", "y", alpha=0.5, beta=2.0),
        ],
        {"w": CONV["w"], "b": CONV["b"], "f": _w(3, 4, seed=4), "c": CONV["c"]},
    ),
    "same_padding": model(
        [
            n("Conv", "x,w", "a", auto_pad="SAME_LOWER", strides=[2, 2]),
            n("MaxPool", "a", "m", kernel_shape=[2, 2], auto_pad="SAME_UPPER"),
            n("MaxPool", "m", "p", kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1),
            n("Flatten", "p", "q"),
            n("Gemm", "q,f", "y"),
        ],
        {"w": CONV["w"], "f": _w(12, 4, seed=5)},
    ),
    "matmul_and_bias": model(
        [
            n("Flatten", "x", "q"),
            n("MatMul", "q,f", "u"),
            n("Add", "c,u", "v0"),
            n("Relu", "v0", "r"),
            n("Transpose", "g", "gt", perm=[1, 0]),
            n("MatMul", "r,gt", "y"),
        ],
        {"f": _w(128, 5), "c": _w(5), "g": _w(3, 5)},
    ),
    "constant_nodes": model(
        [
            helper.make_node("Constant", [], ["k"], name="k", value=numpy_helper.from_array(CONV["w"])),
            n("Conv", "x,k", "a", pads=[1, 1, 1, 1]),
            helper.make_node("Constant", [], ["bias"], name="bias", value=numpy_helper.from_array(_w(3, 1, 1))),
            n("Add", "a,bias", "p"),
            *HEAD,
        ],
        {"f": CONV["f"], "c": CONV["c"]},
    ),
    "computed_reshape": model(
        [
            n("Shape", "x", "s"),
            n("Gather", "s,zero", "batch"),
            n("Unsqueeze", "batch,front", "batch1"),
            n("Concat", "batch1,minus", "shape", axis=0),
            n("Reshape", "x,shape", "q"),
            n("MatMul", "q,f", "y"),
        ],
        {
            "zero": np.array(0),
            "front": np.array([0]),
            "minus": np.array([-1]),
            "f": _w(128, 5),
        },
    ),
    "mean_opset_18": model(
        [n("Conv", "x,w", "a"), n("ReduceMean", "a,axes", "m", keepdims=0), n("Gemm", "m,f", "y")],
        {"w": CONV["w"], "axes": np.array([-2, -1]), "f": _w(3, 4)},
        opset=18,
    ),
    "mean_opset_9": model(
        [
            n("Conv", "x,w", "a"),
            n("Clip", "a", "r", min=0.0),
            n("ReduceMean", "r", "m", axes=[3], keepdims=1),
            n("ReduceMean", "m", "k", axes=[2, 3], keepdims=1),
            n("Squeeze", "k", "q", axes=[2, 3]),
            n("Gemm", "q,f,zero", "y"),
        ],
        {"w": CONV["w"], "f": _w(3, 4), "zero": np.zeros(1, np.float32)},
        opset=9,
    ),
    "channels_last_flatten": model(
        [
            n("Conv", "x,w", "a"),
            n("Transpose", "a", "t", perm=[0, 2, 3, 1]),
            n("Flatten", "t", "q"),
            n("Gemm", "q,f", "y"),
        ],
        {"w": CONV["w"], "f": _w(3 * 36, 4)},
    ),
    "residual_and_groups": model(
        [
            n("Conv", "x,w", "a", pads=[1, 1, 1, 1]),
            n("Relu", "a", "r"),
            n("Conv", "r,d", "e", pads=[1, 1, 1, 1], group=3),
            n("Add", "e,r", "s"),
            n("Relu", "s", "p"),
            *HEAD,
        ],
        {"w": CONV["w"], "d": _w(3, 1, 3, 3), "f": CONV["f"], "c": CONV["c"]},
    ),
    "normalized_input": model(
        [
            n("Sub", "x,mean", "x0"),
            n("Div", "x0,spread", "x1"),
            n("BatchNormalization", "x1,g,h,m,v", "x2"),
            n("Mul", "x2,factor", "x3"),
            n("Conv", "x3,w,b", "a"),
            n("BatchNormalization", "a,g,h,m,v", "c1"),
            n("Sub", "one,c1", "c2"),
            n("Relu", "c2", "r"),
            n("BatchNormalization", "r,g,h,m,v", "c3"),
            n("Conv", "c3,k", "e"),
            n("Sum", "e,e,e", "e3"),
            n("GlobalMaxPool", "e3", "p"),
            n("Flatten", "p", "q"),
            n("Gemm", "q,f", "y"),
        ],
        BATCH_NORM | {
            "mean": _w(3, 1, 1), "spread": np.float32([[[1.5]], [[2]], [[0.5]]]), "factor": np.float32(0.3),
            "w": _w(3, 3, 3, 3), "b": CONV["b"], "one": np.float32([1]), "k": _w(3, 3, 1, 1), "f": _w(3, 4),
        },
        shape=("N", 3, 8, 8),
    ),
    "padded_shortcut": model(
        [
            n("Conv", "x,w", "a", pads=[1, 1, 1, 1]),
            n("Conv", "a,k", "e", pads=[1, 1, 1, 1], strides=[2, 2]),
            n("AveragePool", "a", "i", kernel_shape=[1, 1], strides=[2, 2]),
            n("Pad", "i,sides", "j"),
            n("Add", "e,j", "s"),
            n("Slice", "a,zeros,ends,axes,twos", "sl"),
            n("Concat", "s,sl", "cc", axis=-3),
            n("Pad", "cc,edges", "p0"),
            n("MaxPool", "p0", "p1", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 0, 0], ceil_mode=1),
            n("GlobalAveragePool", "p1", "p"),
            n("Flatten", "p", "q"),
            n("Gemm", "q,f", "y"),
        ],
        {
            "w": CONV["w"], "k": _w(6, 3, 3, 3), "sides": np.array([0, 1, 0, 0, 0, 2, 0, 0]), "f": _w(9, 4),
            "zeros": np.array([0, 0]), "ends": np.array([8, 1 << 40]), "axes": np.array([2, -1]),
            "twos": np.array([2, 2]), "edges": np.array([0, 0, 1, 0, 0, 0, 0, 1]),
        },
    ),
    "lines": model(
        [
            n("Conv", "x,w,b", "a", pads=[2, 1], strides=[2], dilations=[2]),
            n("BatchNormalization", "a,g,h,m,v", "bn"),
            n("MaxPool", "bn", "m1", kernel_shape=[3], strides=[2], pads=[1, 1]),
            n("AveragePool", "m1", "m2", kernel_shape=[2]),
            n("Pad", "m2,edges", "m3"),
            n("Conv", "m3,k", "e", auto_pad="SAME_UPPER", group=3),
            n("Add", "e,m3", "s"),
            n("Flatten", "s", "q"),
            n("Gemm", "q,f", "y"),
        ],
        BATCH_NORM | {"w": _w(3, 2, 3), "b": CONV["b"], "k": _w(3, 1, 3), "edges": np.array([0, 0, 1, 0, 0, 1]),
                      "f": _w(3 * 6, 4)},
        shape=("N", 2, 20),
    ),
    "vectors": model([n("Gemm", "x,f", "u"), n("Relu", "u", "y")], {"f": _w(6, 4)}, shape=("N", 6)),
    "fixed_batch": model([n("Reshape", "x,s", "q"), n("Gemm", "q,f", "y")],
                         {"s": np.array([3, 128]), "f": _w(128, 4)}, shape=(3, 2, 8, 8)),
}  # fmt: skip


@pytest.mark.parametrize("name", NETWORKS)
def test_graph_computes_what_onnxruntime_computes(name, tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    path = save(tmp_path, NETWORKS[name])
    graph = load(path)
    x = _rng().standard_normal((3, *graph.input_shape)).astype(np.float32)
    dims = [dim.dim_value for dim in NETWORKS[name].graph.input[0].type.tensor_type.shape.dim[1:]]
    options = runtime.SessionOptions()  # as the file says: optimized, zeros padded before a max pooling never win
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
    expected = runtime.InferenceSession(str(path), options).run(None, {"x": x.reshape(3, *dims)})[0]
    np.testing.assert_allclose(run(graph, x), expected, atol=1e-4)


def test_channels_last_input_is_turned(tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    nodes = [n("Transpose", "x", "t", perm=[0, 3, 1, 2]), n("Conv", "t,w", "a"), n("Flatten", "a", "q"),
             n("Gemm", "q,f", "y")]  # fmt: skip
    path = save(tmp_path, model(nodes, {"w": CONV["w"], "f": _w(3 * 6 * 4, 4)}, shape=("N", 8, 6, 2)))
    graph = load(path)
    assert graph.input_shape == (2, 8, 6)
    assert graph.notes == ("input 'x' is (N, H, W, C) in the file; give it as (N, C, H, W)",)
    x = _rng().standard_normal((3, 2, 8, 6)).astype(np.float32)
    turned = np.ascontiguousarray(x.transpose(0, 2, 3, 1))
    expected = runtime.InferenceSession(str(path)).run(None, {"x": turned})[0]
    np.testing.assert_allclose(run(graph, x), expected, atol=1e-4)


@pytest.mark.parametrize("name", ["diehl2015_mnist_cnn", "mlperf_resnet8_cifar10", "mlperf_dscnn_kws_float"])
def test_third_party_networks(name):
    runtime = pytest.importorskip("onnxruntime")
    path = SHARED / f"{name}.onnx"
    if not path.exists():
        pytest.skip(f"shared/data/{name}.onnx is not there")
    graph = load(path)
    x = _rng().random((8, *graph.input_shape), dtype=np.float32)
    expected = runtime.InferenceSession(str(path)).run(None, {"input": x})[0]
    np.testing.assert_allclose(run(graph, x), expected, atol=1e-4)


def test_batch_norm_and_flatten_leave_no_nodes(tmp_path):
    graph = load(save(tmp_path, NETWORKS["batch_norm"]))
    assert [(type(node), node.name, node.shape) for node in graph.nodes] == [
        (Conv, "a", (3, 8, 8)),
        (Relu, "p", (3, 8, 8)),
        (Conv, "y", (4, 1, 1)),
    ]
    assert graph.name == "net" and graph.input_shape == (2, 8, 8) and graph.notes == ()


def test_residual_and_groups_become_nodes(tmp_path):
    graph = load(save(tmp_path, NETWORKS["residual_and_groups"]))
    assert [type(node) for node in graph.nodes] == [Conv, Relu, Conv, Add, Relu, Conv]
    assert graph.nodes[2].groups == 3
    assert graph.nodes[3].inputs == ("e", "r")


def test_padded_shortcut_becomes_nodes(tmp_path):
    graph = load(save(tmp_path, NETWORKS["padded_shortcut"]))
    assert [type(node) for node in graph.nodes[:8]] == [Conv, Conv, AveragePool, Pad, Add, AveragePool, Concat, Pad]
    assert (graph.nodes[3].channels, graph.nodes[7].padding) == ((1, 2), (1, 0, 0, 1))
    assert (graph.nodes[5].kernel, graph.nodes[5].stride) == ((1, 1), (2, 2))
    assert graph.nodes[8].padding == (1, 1, 1, 1) and graph.nodes[8].shape == (9, 3, 3)


def test_batch_norms_fold_where_they_can(tmp_path):
    graph = load(save(tmp_path, NETWORKS["normalized_input"]))
    kinds = [type(node) for node in graph.nodes]
    assert kinds == [Affine, Conv, Relu, Affine, Conv, Add, Add, MaxPool, Conv]
    assert graph.nodes[0].name == "x0" and graph.nodes[3].name == "c3"


def test_global_average_and_clip_become_plain_nodes(tmp_path):
    windows = load(save(tmp_path, NETWORKS["windows"]))
    assert [type(node) for node in windows.nodes] == [Conv, MaxPool, AveragePool, AveragePool, AveragePool, Conv]
    assert windows.nodes[4].kernel == windows.nodes[3].shape[1:]
    clipped = load(save(tmp_path, NETWORKS["dropped_and_clipped"]))
    assert clipped.nodes[1].upper == 0.75


def test_softmax_at_the_end_is_left_out_with_a_note(tmp_path):
    tensors = {"f": _w(6, 4)}
    plain = load(save(tmp_path, model([n("Gemm", "x,f", "y")], tensors, shape=("N", 6))))
    nodes = [n("Gemm", "x,f", "u"), n("Softmax", "u", "y")]
    graph = load(save(tmp_path, model(nodes, tensors, shape=("N", 6))))
    x = _rng().standard_normal((2, 6)).astype(np.float32)
    np.testing.assert_array_equal(run(graph, x), run(plain, x))
    assert graph.notes == ("the last operator y (Softmax) is left out: the answers are logits",)


def test_weights_in_a_file_beside_the_model(tmp_path):
    path = tmp_path / "net.onnx"
    proto = onnx.ModelProto()
    proto.CopyFrom(NETWORKS["batch_norm"])  # saving with external data changes the model that is saved
    onnx.save_model(proto, str(path), save_as_external_data=True, location="net.data", size_threshold=0)
    assert (tmp_path / "net.data").exists()
    inside = load(save(tmp_path, NETWORKS["batch_norm"], "inside.onnx"))
    x = _rng().standard_normal((1, 2, 8, 8)).astype(np.float32)
    np.testing.assert_array_equal(run(load(path), x), run(inside, x))


def test_weights_outside_the_models_folder_are_refused(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (tmp_path / "secret").write_bytes(bytes(4 * CONV["w"].size))
    proto = onnx.ModelProto()
    proto.CopyFrom(NETWORKS["batch_norm"])
    onnx.external_data_helper.set_external_data(proto.graph.initializer[0], "../secret")
    proto.graph.initializer[0].ClearField("raw_data")
    path = save(folder, proto)
    with pytest.raises(ModelError, match="weights in an external file cannot be read") as error:
        load(path)
    assert str(error.value).startswith(f"{path}: ")
    assert str(error.value).endswith("; keep the file beside the model, or save the model with its weights inside")


def _conv_then(*nodes, **tensors):
    return model([n("Conv", "x,w", "a", pads=[1, 1, 1, 1]), *nodes], CONV | BATCH_NORM | tensors)


def _value_info(name, shape):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


REFUSALS = {
    "operator": (
        _conv_then(n("Ceil", "a", "p"), *HEAD),
        "node 'p' has the operator Ceil, which is not supported; supported ONNX operators are " + SUPPORTED,
    ),
    "leaky relu": (
        _conv_then(n("LeakyRelu", "a", "p"), *HEAD),
        "node 'p' has the operator LeakyRelu, which is not supported: a neuron computes ReLU, a limited ReLU or the "
        "identity; train the network with ReLU or ReLU6",
    ),
    "gate": (
        _conv_then(n("GlobalAveragePool", "a", "g1"), n("Mul", "a,g1", "p"), *HEAD),
        "node 'p' (Mul) multiplies two activations, for which the hardware has no multiplier; "
        "one of them must be constant",
    ),
    "difference": (
        _conv_then(n("Sub", "a,a", "p"), *HEAD),
        "node 'p' (Sub) subtracts two activations; one of the two must be constant",
    ),
    "division by zero": (
        _conv_then(n("Div", "a,k", "p"), *HEAD, k=np.zeros(1, np.float32)),
        "node 'p' (Div) divides by zero; train or export the network again",
    ),
    "factor per pixel": (
        _conv_then(n("Mul", "a,k", "p"), *HEAD, k=np.ones((3, 8, 8), np.float32)),
        "node 'p' (Mul) multiplies by a constant (3, 8, 8) to (N, 3, 8, 8); "
        "only one value per channel can be multiplied by",
    ),
    "joint of rows": (
        _conv_then(n("Concat", "a,a", "j", axis=2), n("Flatten", "j", "y")),
        "node 'j' (Concat) joins (N, 3, 8, 8) along dimension 2; only channels of maps of one size can be joined",
    ),
    "joint of constants": (
        _conv_then(n("Concat", "a,k", "j", axis=1), n("Flatten", "j", "y"), k=np.ones((1, 1, 8, 8), np.float32)),
        "node 'j' (Concat) joins constants; every one of its inputs must depend on the network input",
    ),
    "reflection": (
        _conv_then(n("Pad", "a,k", "p", mode="reflect"), n("Flatten", "p", "y"), k=np.array([0, 0, 1, 1] * 2)),
        "node 'p' (Pad) pads in mode reflect; only mode constant is supported",
    ),
    "padding with ones": (
        _conv_then(n("Pad", "a,k,o", "p"), n("Flatten", "p", "y"), k=np.array([0, 0, 1, 1] * 2), o=np.float32(1)),
        "node 'p' (Pad) pads by [0, 0, 1, 1] and [0, 0, 1, 1] with 1; "
        "only zeros can be added, to channels, height and width",
    ),
    "crop": (
        _conv_then(n("Slice", "a,s,e,i", "p"), n("Flatten", "p", "y"), s=np.array([1]), e=np.array([7]),
                   i=np.array([2])),
        "node 'p' (Slice) takes 1:7:1 of dimension 2 of (N, 3, 8, 8); "
        "only every k-th row or column of a whole map can be taken",
    ),
    "domain": (
        _conv_then(helper.make_node("Relu", ["a"], ["p"], name="p", domain="com.acme"), *HEAD),
        "node 'p' has the operator com.acme::Relu, which is not supported; supported ONNX operators are " + SUPPORTED,
    ),
    "negative variance": (
        _conv_then(n("BatchNormalization", "a,g,h,m,bad", "p"), *HEAD, bad=np.array([1, -2, 1], np.float32)),
        "node 'p' (BatchNormalization) has the variance plus epsilon -1.99999; it must be above 0",
    ),
    "nan": (
        _conv_then(n("Relu", "a", "p"), *HEAD, w=np.where(CONV["w"] > 0.4, np.nan, CONV["w"]).astype(np.float32)),
        f"tensor 'w' holds {(CONV['w'] > 0.4).sum()} NaN or infinite values of 54; train or export the network again",
    ),
    "inf": (
        _conv_then(n("Relu", "a", "p"), *HEAD, c=np.array([0, 0, np.inf, 0], np.float32)),
        "tensor 'c' holds 1 NaN or infinite values of 4; train or export the network again",
    ),
    "clip": (
        _conv_then(n("Clip", "a,low", "p"), *HEAD, low=np.float32(-1)),
        "node 'p' (Clip) clips below -1; only a lower limit of 0 is supported",
    ),
    "rank": (
        model([n("Relu", "x", "y")], {}, shape=("N", 2, 4, 8, 8), outputs=[_value_info("y", ("N", 2, 4, 8, 8))]),
        "input 'x' has the shape (?, 2, 4, 8, 8); trispike needs (N, C, H, W), (N, C, L) or (N, C)",
    ),
    "free size": (
        model([n("Conv", "x,w", "y")], CONV, shape=("N", 2, "H", 8), outputs=[_value_info("y", ("N", 3, "K", 6))]),
        "input 'x' has the shape (?, 2, ?, 8); trispike needs fixed sizes behind the batch, "
        "so export the network with them",
    ),
    "ceil": (
        _conv_then(n("AveragePool", "a", "p", kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)
                   , n("Flatten", "p", "y")),
        "node 'p' (AveragePool) rounds its output size up (ceil_mode) on a map of 8 x 8; "
        "averages are supported over windows that lie inside the padded map",
    ),
    "pool dilation": (
        _conv_then(n("MaxPool", "a", "p", kernel_shape=[2, 2], dilations=[2, 2]), n("Flatten", "p", "y")),
        "node 'p' (MaxPool) has dilations [2, 2]; pooling is supported without dilation only",
    ),
    "split axis": (
        _conv_then(n("Reshape", "a,s", "p"), n("Flatten", "p", "y"), s=np.array([-1, 6, 4, 8])),
        "node 'p' (Reshape) reshapes (N, 3, 8, 8) to (N, 6, 4, 8), "
        "which does not keep channels, height and width whole",
    ),
    "lost batch": (
        _conv_then(n("Reshape", "a,s", "y"), s=np.array([3, 64])),
        "node 'y' (Reshape) reshapes to (3, 64), which does not keep the batch as first dimension",
    ),
    "channels last": (
        _conv_then(n("Transpose", "a", "t", perm=[0, 2, 3, 1]), n("MaxPool", "t", "p", kernel_shape=[2, 2])
                   , n("Flatten", "p", "y")),
        "node 'p' (MaxPool) needs an input (N, C, H, W), but gets (N, 8, 8, 3)",
    ),
    "moved batch": (
        _conv_then(n("Transpose", "a", "t", perm=[1, 0, 2, 3]), n("Flatten", "t", "y")),
        "node 't' (Transpose) permutes by [1, 0, 2, 3], which moves the batch from the first dimension",
    ),
    "channel mean": (
        _conv_then(n("ReduceMean", "a", "z", axes=[1], keepdims=0), n("Flatten", "z", "y")),
        "node 'z' (ReduceMean) averages over the dimensions [1]; only height and width can be averaged",
    ),
    "constant per pixel": (
        _conv_then(n("Add", "a,k", "p"), *HEAD, k=np.ones((3, 8, 8), np.float32)),
        "node 'p' (Add) adds a constant (3, 8, 8) to (N, 3, 8, 8); only one value per channel can be added",
    ),
    "broadcast sum": (
        _conv_then(n("GlobalAveragePool", "a", "g1"), n("Add", "a,g1", "p"), *HEAD),
        "node 'p' (Add) adds tensors of the shapes (3, 8, 8) and (3, 1, 1); they must be the same",
    ),
    "unflattened linear": (
        _conv_then(n("MatMul", "a,k", "p"), n("Flatten", "p", "y"), k=_w(8, 4)),
        "node 'p' (MatMul) needs one vector of 8 features per sample, but gets (N, 3, 8, 8)",
    ),
    "transposed A": (
        model([n("Gemm", "x,f", "y", transA=1)], {"f": _w(1, 4)}, shape=(1, 6)),
        "node 'y' (Gemm) transposes A; only transA = 0 is supported",
    ),
    "computed weights": (
        _conv_then(n("Relu", "a", "r"), n("Conv", "x,r", "z"), n("Flatten", "z", "y")),
        "node 'z' (Conv) needs a constant W, but it is computed",
    ),
    "softmax inside": (
        _conv_then(n("Flatten", "a", "q"), n("Softmax", "q", "t"), n("Gemm", "t,f,c", "y", transB=1)),
        "node 't' (Softmax) stands inside the network; it is supported as the last operator only",
    ),
    "second output": (
        model([helper.make_node("MaxPool", ["x"], ["p", "i"], "p", kernel_shape=[2, 2]), n("Flatten", "i", "y")], {}),
        "node 'p' (MaxPool) has a second output 'i' that is used; trispike reads the first output only",
    ),
    "big kernel": (
        model([n("Conv", "x,k", "z"), n("Flatten", "z", "y")], {"k": _w(3, 2, 9, 3)}),
        "node 'z' (Conv) has a kernel of 9 x 3 that does not fit into its padded input of 8 x 8",
    ),
    "map": (
        model([n("Conv", "x,w", "y")], CONV, outputs=[_value_info("y", ("N", 3, 6, 6))]),
        "the output 'y' is a map of the shape (3, 6, 6); trispike needs one value per class, (N, classes)",
    ),
    "nothing": (
        model([n("Flatten", "x", "y")], {}),
        "the output 'y' needs no layer at all; give a trained network",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSALS)
def test_what_is_not_supported_is_refused_by_name(name, tmp_path):
    proto, message = REFUSALS[name]
    path = save(tmp_path, proto)
    with pytest.raises(ModelError) as error:
        load(path)
    assert str(error.value) == f"{path}: {message}"


@pytest.mark.parametrize(
    ("proto", "message"),
    [
        (
            model([n("Relu", "x", "y")], {}, inputs=[_value_info("x", ("N", 4)), _value_info("z", ("N", 4))]),
            " has 2 inputs (x, z); trispike reads networks with one input",
        ),
        (
            model([n("Relu", "x", "y"), n("Relu", "x", "z")], {}, shape=("N", 4),
                  outputs=[_value_info("y", ("N", 4)), _value_info("z", ("N", 4))]),
            " has 2 outputs (y, z); trispike reads networks with one output",
        ),
        (
            model([n("Relu", "x", "y")], {}, opset=8),
            " has the ONNX opset 8; trispike reads opset 9 and later, so export it again",
        ),
        (
            onnx.ModelProto(),
            " is not an ONNX file, or one without a network; export the network to ONNX again",
        ),
    ],
)  # fmt: skip
def test_what_is_no_single_network_is_refused(proto, message, tmp_path):
    path = save(tmp_path, proto)
    with pytest.raises(ModelError) as error:
        load(path)
    assert str(error.value) == f"{path}{message}"


@pytest.mark.parametrize("cut", [0, 1, 40, 0.5, 0.99])
def test_truncated_files_are_refused(cut, tmp_path):
    path = tmp_path / "net.onnx"
    data = NETWORKS["batch_norm"].SerializeToString()
    path.write_bytes(data[: cut if isinstance(cut, int) else int(len(data) * cut)])
    with pytest.raises(ModelError, match="ONNX"):
        load(path)


def test_bytes_that_are_no_onnx_are_refused(tmp_path):
    path = tmp_path / "net.onnx"
    path.write_bytes(b"\xff" * 100)
    with pytest.raises(ModelError) as error:
        load(path)
    assert str(error.value) == f"{path} is not an ONNX file; export the network to ONNX again"


def test_tensors_of_the_wrong_size_are_refused(tmp_path):
    proto = model([n("Gemm", "x,f", "y")], {"f": _w(6, 4)}, shape=("N", 6))
    proto.graph.initializer[0].dims[0] = 7
    path = save(tmp_path, proto)
    with pytest.raises(ModelError) as error:
        load(path)
    assert str(error.value) == (
        f"{path}: tensor 'f' has bytes that do not fit its shape or type; export the network again"
    )


def test_invalid_models_are_refused_in_onnx_words(tmp_path):
    path = save(tmp_path, model([n("Gemm", "x,f", "y")], {"f": _w(7, 4)}, shape=("N", 6)))
    with pytest.raises(ModelError, match="is not a valid ONNX model: ") as error:
        load(path)
    assert "\n" not in str(error.value)
