"""ONNX files: the graph computes what onnxruntime computes."""

import numpy as np
import pytest
from onnx_models import BATCH_NORM, CONV, HEAD, expected, helper, model, n, numpy_helper, rng, save, w
from shared_data import shared_file

from trispike.float_reference import run
from trispike.graph import Add, Affine, AveragePool, Concat, Conv, MaxPool, Pad, Relu
from trispike.importers import load

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
        {"w": CONV["w"], "b": CONV["b"], "f": w(3, 4, seed=4), "c": CONV["c"]},
    ),
    "same_padding": model(
        [
            n("Conv", "x,w", "a", auto_pad="SAME_LOWER", strides=[2, 2]),
            n("MaxPool", "a", "m", kernel_shape=[2, 2], auto_pad="SAME_UPPER"),
            n("MaxPool", "m", "p", kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1),
            n("Flatten", "p", "q"),
            n("Gemm", "q,f", "y"),
        ],
        {"w": CONV["w"], "f": w(12, 4, seed=5)},
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
        {"f": w(128, 5), "c": w(5), "g": w(3, 5)},
    ),
    "constant_nodes": model(
        [
            helper.make_node("Constant", [], ["k"], name="k", value=numpy_helper.from_array(CONV["w"])),
            n("Conv", "x,k", "a", pads=[1, 1, 1, 1]),
            helper.make_node("Constant", [], ["bias"], name="bias", value=numpy_helper.from_array(w(3, 1, 1))),
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
            "f": w(128, 5),
        },
    ),
    "mean_opset_18": model(
        [n("Conv", "x,w", "a"), n("ReduceMean", "a,axes", "m", keepdims=0), n("Gemm", "m,f", "y")],
        {"w": CONV["w"], "axes": np.array([-2, -1]), "f": w(3, 4)},
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
        {"w": CONV["w"], "f": w(3, 4), "zero": np.zeros(1, np.float32)},
        opset=9,
    ),
    "channels_last_flatten": model(
        [
            n("Conv", "x,w", "a"),
            n("Transpose", "a", "t", perm=[0, 2, 3, 1]),
            n("Flatten", "t", "q"),
            n("Gemm", "q,f", "y"),
        ],
        {"w": CONV["w"], "f": w(3 * 36, 4)},
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
        {"w": CONV["w"], "d": w(3, 1, 3, 3), "f": CONV["f"], "c": CONV["c"]},
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
            "mean": w(3, 1, 1), "spread": np.float32([[[1.5]], [[2]], [[0.5]]]), "factor": np.float32(0.3),
            "w": w(3, 3, 3, 3), "b": CONV["b"], "one": np.float32([1]), "k": w(3, 3, 1, 1), "f": w(3, 4),
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
            "w": CONV["w"], "k": w(6, 3, 3, 3), "sides": np.array([0, 1, 0, 0, 0, 2, 0, 0]), "f": w(9, 4),
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
        BATCH_NORM | {"w": w(3, 2, 3), "b": CONV["b"], "k": w(3, 1, 3), "edges": np.array([0, 0, 1, 0, 0, 1]),
                      "f": w(3 * 6, 4)},
        shape=("N", 2, 20),
    ),
    "vectors": model([n("Gemm", "x,f", "u"), n("Relu", "u", "y")], {"f": w(6, 4)}, shape=("N", 6)),
    "fixed_batch": model([n("Reshape", "x,s", "q"), n("Gemm", "q,f", "y")],
                         {"s": np.array([3, 128]), "f": w(128, 4)}, shape=(3, 2, 8, 8)),
}  # fmt: skip


@pytest.mark.parametrize("name", NETWORKS)
def test_graph_computes_what_onnxruntime_computes(name, tmp_path):
    path = save(tmp_path, NETWORKS[name])
    graph = load(path)
    x = rng().standard_normal((3, *graph.input_shape)).astype(np.float32)
    dims = [dim.dim_value for dim in NETWORKS[name].graph.input[0].type.tensor_type.shape.dim[1:]]
    np.testing.assert_allclose(run(graph, x), expected(path, x.reshape(3, *dims)), atol=1e-4)


def test_channels_last_input_is_turned(tmp_path):
    nodes = [n("Transpose", "x", "t", perm=[0, 3, 1, 2]), n("Conv", "t,w", "a"), n("Flatten", "a", "q"),
             n("Gemm", "q,f", "y")]  # fmt: skip
    path = save(tmp_path, model(nodes, {"w": CONV["w"], "f": w(3 * 6 * 4, 4)}, shape=("N", 8, 6, 2)))
    graph = load(path)
    assert graph.input_shape == (2, 8, 6)
    assert graph.notes == ("input 'x' is (N, H, W, C) in the file; give it as (N, C, H, W)",)
    x = rng().standard_normal((3, 2, 8, 6)).astype(np.float32)
    turned = np.ascontiguousarray(x.transpose(0, 2, 3, 1))
    np.testing.assert_allclose(run(graph, x), expected(path, turned), atol=1e-4)


@pytest.mark.parametrize("name", ["diehl2015_mnist_cnn", "mlperf_resnet8_cifar10", "mlperf_dscnn_kws_float"])
def test_third_party_networks(name):
    path = shared_file(f"{name}.onnx")
    graph = load(path)
    x = rng().random((8, *graph.input_shape), dtype=np.float32)
    np.testing.assert_allclose(run(graph, x), expected(path, x, "input"), atol=1e-4)


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
    tensors = {"f": w(6, 4)}
    plain = load(save(tmp_path, model([n("Gemm", "x,f", "y")], tensors, shape=("N", 6))))
    nodes = [n("Gemm", "x,f", "u"), n("Softmax", "u", "y")]
    graph = load(save(tmp_path, model(nodes, tensors, shape=("N", 6))))
    x = rng().standard_normal((2, 6)).astype(np.float32)
    np.testing.assert_array_equal(run(graph, x), run(plain, x))
    assert graph.notes == ("the last operator y (Softmax) is left out: the answers are logits",)
