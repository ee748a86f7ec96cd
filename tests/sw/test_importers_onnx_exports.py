"""ONNX files as exporters write them: sizes computed, channels split and shuffled, zeros joined, limits in words."""

import numpy as np
import pytest
from onnx_models import CONV, HEAD, expected, helper, model, n, onnx, rng, save, w

from trispike.errors import ModelError
from trispike.float_reference import run
from trispike.graph import AveragePool, Concat, Conv, MaxPool, Pad, Relu, Select
from trispike.importers import load

FIRST = n("Conv", "x,w,b", "a", pads=[1, 1, 1, 1])


def several(operator, inputs, outputs, **attributes):
    return helper.make_node(operator, inputs.split(","), outputs.split(","), name=outputs, **attributes)


EXPORTS = {
    "sizes computed": model(
        [
            n("Conv", "x,w6,b6", "a", pads=[1, 1, 1, 1]),
            n("Shape", "a", "s"),
            n("Gather", "s,zero", "batch", axis=0),
            n("Gather", "s,one", "channels", axis=0),
            n("Div", "channels,two", "half"),
            n("Concat", "batch,two,half,eight,eight", "split", axis=0),
            n("Reshape", "a,split", "r"),
            n("Transpose", "r", "t", perm=[0, 2, 1, 3, 4]),
            n("Concat", "batch,minus,eight,eight", "joined", axis=0),
            n("Reshape", "t,joined", "q0"),
            n("ConstantOfShape", "four", "sides0", value=onnx.numpy_helper.from_array(np.array([0]))),
            n("Concat", "sides0,sides1", "sides2", axis=0),
            n("Cast", "sides2", "sides", to=onnx.TensorProto.INT64),
            n("Pad", "q0,sides", "p0"),
            n("GlobalAveragePool", "p0", "p"),
            n("Flatten", "p", "q"),
            n("Gemm", "q,f", "y"),
        ],
        {
            "w6": w(6, 2, 3, 3), "b6": w(6), "zero": np.array([0]), "one": np.array([1]), "two": np.array([2]),
            "eight": np.array([8]), "minus": np.array([-1]), "four": np.array([4]), "sides1": np.array([0, 1, 0, 0]),
            "f": w(7, 4),
        },
    ),
    "split and joined": model(
        [
            n("Conv", "x,w6,b6", "a", pads=[1, 1, 1, 1]),
            several("Split", "a,parts", "s0,s1", axis=1),
            n("Relu", "s1", "r"),
            n("Slice", "a,start,stop,axis", "s2"),
            n("Concat", "r,s0,s2", "p0", axis=1),
            n("GlobalMaxPool", "p0", "p"),
            n("Flatten", "p", "q"),
            n("Gemm", "q,f", "y"),
        ],
        {
            "w6": w(6, 2, 3, 3), "b6": w(6), "parts": np.array([2, 4]), "start": np.array([-3]),
            "stop": np.array([5]), "axis": np.array([1]), "f": w(8, 4),
        },
    ),
    "zeros beside": model(
        [
            FIRST,
            n("Mul", "a,nothing", "z"),
            n("Concat", "z,a,zeros", "j", axis=1),
            n("ReduceMax", "j", "p", axes=[2, 3], keepdims=0),
            n("Gemm", "p,f", "y"),
        ],
        {
            "w": CONV["w"], "b": CONV["b"], "nothing": np.float32(0), "zeros": np.zeros((1, 2, 8, 8), np.float32),
            "f": w(8, 4),
        },
    ),
    "limits as operators": model(
        [FIRST, n("Max", "zero,a", "r"), n("Min", "r,six", "r6"), n("Cast", "r6", "p", to=1), *HEAD],
        CONV | {"zero": np.float32(0), "six": np.float32(0.5)},
    ),
    "averages of what is there": model(
        [
            FIRST,
            n("AveragePool", "a", "m1", kernel_shape=[3, 3], strides=[1, 2], pads=[1, 1, 1, 1]),
            n("AveragePool", "m1", "m2", kernel_shape=[3, 2], strides=[2, 2], ceil_mode=1),
            n("GlobalAveragePool", "m2", "p"),
            n("Flatten", "p", "q"),
            n("Gemm", "q,f", "y"),
        ],
        {"w": CONV["w"], "b": CONV["b"], "f": w(3, 4)},
    ),
    "channels last": model(
        [
            n("Sub", "x,mean", "x0"),
            n("Pad", "x0,around", "x1"),
            n("Transpose", "x1", "x2", perm=[0, 3, 1, 2]),
            n("Conv", "x2,w", "a"),
            n("Transpose", "a", "t", perm=[0, 2, 3, 1]),
            n("Pad", "t,around", "t1"),
            n("Concat", "t1,t1", "t2", axis=3),
            n("Transpose", "t2", "u", perm=[0, 3, 1, 2]),
            n("MaxPool", "u", "p", kernel_shape=[10, 8]),
            n("Flatten", "p", "q"),
            n("Gemm", "q,f", "y"),
        ],
        {
            "w": CONV["w"], "mean": np.float32([0.1, -0.2]), "around": np.array([0, 1, 1, 0, 0, 1, 1, 0]),
            "f": w(6, 4),
        },
        shape=("N", 8, 6, 2),
    ),
    "pad by axes": model(
        [FIRST, n("Pad", "a,sides,,axes", "p0"), n("GlobalAveragePool", "p0", "p"), n("Flatten", "p", "q"),
         n("Gemm", "q,f", "y")],
        {"w": CONV["w"], "b": CONV["b"], "sides": np.array([1, 2, 0, 1]), "axes": np.array([-1, 1]), "f": w(6, 4)},
        opset=18,
    ),
    "old opset": model(
        [FIRST, n("BatchNormalization", "a,g,h,m,v", "bn"), n("Dropout", "bn", "d"), n("Relu", "d", "p"),
         n("Flatten", "p", "q"), n("Gemm", "q,f,c", "y", transB=1)],
        CONV | {"g": w(3), "h": w(3), "m": w(3), "v": np.ones(3, np.float32)},
        opset=7,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", EXPORTS)
def test_graph_computes_what_onnxruntime_computes(name, tmp_path):
    path = save(tmp_path, EXPORTS[name])
    graph = load(path)
    last = name == "channels last"
    x = rng().standard_normal((1, *graph.input_shape)).astype(np.float32)
    given = np.ascontiguousarray(x.transpose(0, 2, 3, 1)) if last else x
    np.testing.assert_allclose(run(graph, x), expected(path, given), atol=1e-4)


def test_a_shuffle_and_a_split_choose_channels(tmp_path):
    shuffled = load(save(tmp_path, EXPORTS["sizes computed"]))
    assert [type(node) for node in shuffled.nodes] == [Conv, Select, Pad, AveragePool, Conv]
    assert shuffled.nodes[1].channels == (0, 3, 1, 4, 2, 5)
    split = load(save(tmp_path, EXPORTS["split and joined"]))
    assert [node.channels for node in split.nodes if isinstance(node, Select)] == [(0, 1), (2, 3, 4, 5), (3, 4)]


def test_zeros_are_padding_and_limits_are_relus(tmp_path):
    padded = load(save(tmp_path, EXPORTS["zeros beside"]))
    assert [node.channels for node in padded.nodes if isinstance(node, Pad)] == [(3, 0), (0, 2)]
    assert not any(isinstance(node, Concat) for node in padded.nodes)
    limited = load(save(tmp_path, EXPORTS["limits as operators"]))
    assert [node.upper for node in limited.nodes if isinstance(node, Relu)] == [None, 0.5]


def test_a_branch_with_a_constant_condition_is_taken(tmp_path):
    def branch(name, kernel):
        nodes = [n("MaxPool", "a", f"{name}_m", kernel_shape=kernel), n("Flatten", f"{name}_m", name)]
        return helper.make_graph(nodes, name, [], [helper.make_empty_tensor_value_info(name)])

    nodes = [FIRST, n("Shape", "a", "s"), n("ReduceSum", "s", "size", keepdims=0), n("Greater", "size,ten", "if"),
             n("If", "if", "q", then_branch=branch("u", [8, 8]), else_branch=branch("v", [4, 4])),
             n("Gemm", "q,f", "y")]  # fmt: skip
    graph = load(save(tmp_path, model(nodes, {**CONV, "ten": np.array(10), "f": w(3, 4)})))
    assert [node.kernel for node in graph.nodes if isinstance(node, MaxPool)] == [(8, 8)]


def test_a_constant_too_large_to_compute_stays_unread(tmp_path):
    nodes = [FIRST, n("Expand", "one,huge", "z"), n("Concat", "a,z", "j", axis=1), n("GlobalMaxPool", "j", "p"),
             n("Flatten", "p", "y")]  # fmt: skip
    path = save(tmp_path, model(nodes, {**CONV, "one": np.float32([0]), "huge": np.array([1, 1 << 34, 8, 8])}))
    with pytest.raises(ModelError, match="node 'z' has the operator Expand, which is not supported; supported ONNX"):
        load(path)


def test_quantised_networks_are_refused_with_the_way_out(tmp_path):
    nodes = [FIRST, n("QuantizeLinear", "a,one", "z"), n("DequantizeLinear", "z,one", "p"), *HEAD]
    path = save(tmp_path, model(nodes, {**CONV, "one": np.float32(1)}))
    with pytest.raises(ModelError) as error:
        load(path)
    assert str(error.value) == (
        f"{path}: node 'p' has the operator DequantizeLinear, which is not supported: spikes have scales of their own; "
        "export the network before it is quantised, with floating-point weights"
    )
