"""ONNX files: what is not supported is refused by name."""

import numpy as np
import pytest
from onnx_models import BATCH_NORM, CONV, HEAD, helper, model, n, onnx, save, value_info, w

from trispike.errors import ModelError
from trispike.importers import load
from trispike.importers.onnx_operators import ONNX

SUPPORTED = ", ".join(operator.name for operator in ONNX.table())


def conv_then(*nodes, **tensors):
    return model([n("Conv", "x,w", "a", pads=[1, 1, 1, 1]), *nodes], CONV | BATCH_NORM | tensors)


REFUSALS = {
    "operator": (
        conv_then(n("Ceil", "a", "p"), *HEAD),
        "node 'p' has the operator Ceil, which is not supported; supported ONNX operators are " + SUPPORTED,
    ),
    "leaky relu": (
        conv_then(n("LeakyRelu", "a", "p"), *HEAD),
        "node 'p' has the operator LeakyRelu, which is not supported: a neuron computes ReLU, a limited ReLU or the "
        "identity; train the network with ReLU or ReLU6",
    ),
    "gate": (
        conv_then(n("GlobalAveragePool", "a", "g1"), n("Mul", "a,g1", "p"), *HEAD),
        "node 'p' (Mul) multiplies two activations, for which the hardware has no multiplier; "
        "one of them must be constant",
    ),
    "difference": (
        conv_then(n("Sub", "a,a", "p"), *HEAD),
        "node 'p' (Sub) subtracts two activations; one of the two must be constant",
    ),
    "division by zero": (
        conv_then(n("Div", "a,k", "p"), *HEAD, k=np.zeros(1, np.float32)),
        "node 'p' (Div) divides by zero; train or export the network again",
    ),
    "factor per pixel": (
        conv_then(n("Mul", "a,k", "p"), *HEAD, k=np.ones((3, 8, 8), np.float32)),
        "node 'p' (Mul) multiplies by a constant (3, 8, 8) to (N, 3, 8, 8); "
        "only one value per channel can be multiplied by",
    ),
    "joint of rows": (
        conv_then(n("Concat", "a,a", "j", axis=2), n("Flatten", "j", "y")),
        "node 'j' (Concat) joins (N, 3, 8, 8) along dimension 2; only channels of maps of one size can be joined",
    ),
    "joint of constants": (
        conv_then(n("Concat", "a,k", "j", axis=1), n("Flatten", "j", "y"), k=np.ones((1, 1, 8, 8), np.float32)),
        "node 'j' (Concat) joins the constant 'k'; only zeros of the same size can stand beside activations",
    ),
    "reflection": (
        conv_then(n("Pad", "a,k", "p", mode="reflect"), n("Flatten", "p", "y"), k=np.array([0, 0, 1, 1] * 2)),
        "node 'p' (Pad) pads in mode reflect; only mode constant is supported",
    ),
    "padding with ones": (
        conv_then(n("Pad", "a,k,o", "p"), n("Flatten", "p", "y"), k=np.array([0, 0, 1, 1] * 2), o=np.float32(1)),
        "node 'p' (Pad) pads by [0, 0, 1, 1] and [0, 0, 1, 1] with 1; "
        "only zeros can be added, to channels, height and width",
    ),
    "crop": (
        conv_then(n("Slice", "a,s,e,i", "p"), n("Flatten", "p", "y"), s=np.array([1]), e=np.array([7]),
                   i=np.array([2])),
        "node 'p' (Slice) takes 1:7:1 of dimension 2 of (N, 3, 8, 8); "
        "only channels and every k-th row or column of a whole map can be taken",
    ),
    "domain": (
        conv_then(helper.make_node("Relu", ["a"], ["p"], name="p", domain="com.acme"), *HEAD),
        "node 'p' has the operator com.acme::Relu, which is not supported; supported ONNX operators are " + SUPPORTED,
    ),
    "negative variance": (
        conv_then(n("BatchNormalization", "a,g,h,m,bad", "p"), *HEAD, bad=np.array([1, -2, 1], np.float32)),
        "node 'p' (BatchNormalization) has the variance plus epsilon -1.99999; it must be above 0",
    ),
    "nan": (
        conv_then(n("Relu", "a", "p"), *HEAD, w=np.where(CONV["w"] > 0.4, np.nan, CONV["w"]).astype(np.float32)),
        f"tensor 'w' holds {(CONV['w'] > 0.4).sum()} NaN or infinite values of 54; train or export the network again",
    ),
    "inf": (
        conv_then(n("Relu", "a", "p"), *HEAD, c=np.array([0, 0, np.inf, 0], np.float32)),
        "tensor 'c' holds 1 NaN or infinite values of 4; train or export the network again",
    ),
    "clip": (
        conv_then(n("Clip", "a,low", "p"), *HEAD, low=np.float32(-1)),
        "node 'p' (Clip) clips below -1; only a lower limit of 0 is supported",
    ),
    "rank": (
        model([n("Relu", "x", "y")], {}, shape=("N", 2, 4, 8, 8), outputs=[value_info("y", ("N", 2, 4, 8, 8))]),
        "input 'x' has the shape (?, 2, 4, 8, 8); trispike needs (N, C, H, W), (N, C, L) or (N, C)",
    ),
    "free size": (
        model([n("Conv", "x,w", "y")], CONV, shape=("N", 2, "H", 8), outputs=[value_info("y", ("N", 3, "K", 6))]),
        "input 'x' has the shape (?, 2, ?, 8); trispike needs fixed sizes behind the batch, "
        "so export the network with them",
    ),
    "ceil": (
        conv_then(n("AveragePool", "a", "p", kernel_shape=[4, 4], strides=[3, 3], pads=[1, 1, 0, 0], ceil_mode=1,
                    count_include_pad=1), n("Flatten", "p", "y")),
        "node 'p' (AveragePool) rounds its output size up (ceil_mode) on a map of 8 x 8 and counts padding, but not "
        "beyond it; switch one of the two off",
    ),
    "pool dilation": (
        conv_then(n("MaxPool", "a", "p", kernel_shape=[2, 2], dilations=[2, 2]), n("Flatten", "p", "y")),
        "node 'p' (MaxPool) has dilations [2, 2]; pooling is supported without dilation only",
    ),
    "split axis": (
        conv_then(n("Reshape", "a,s", "p"), n("Flatten", "p", "y"), s=np.array([-1, 6, 4, 8])),
        "node 'p' (Reshape) reshapes (N, 3, 8, 8) to (N, 6, 4, 8), "
        "which does not keep channels, height and width whole",
    ),
    "lost batch": (
        conv_then(n("Reshape", "a,s", "y"), s=np.array([3, 64])),
        "node 'y' (Reshape) reshapes to (3, 64), which does not keep the batch as first dimension",
    ),
    "channels last": (
        conv_then(n("Transpose", "a", "t", perm=[0, 2, 3, 1]), n("MaxPool", "t", "p", kernel_shape=[2, 2])
                   , n("Flatten", "p", "y")),
        "node 'p' (MaxPool) needs an input (N, C, H, W), but gets (N, 8, 8, 3)",
    ),
    "moved batch": (
        conv_then(n("Transpose", "a", "t", perm=[1, 0, 2, 3]), n("Flatten", "t", "y")),
        "node 't' (Transpose) permutes by [1, 0, 2, 3], which moves the batch from the first dimension",
    ),
    "channel mean": (
        conv_then(n("ReduceMean", "a", "z", axes=[1], keepdims=0), n("Flatten", "z", "y")),
        "node 'z' (ReduceMean) averages over the dimensions [1]; only height and width can be left out",
    ),
    "constant per pixel": (
        conv_then(n("Add", "a,k", "p"), *HEAD, k=np.ones((3, 8, 8), np.float32)),
        "node 'p' (Add) adds a constant (3, 8, 8) to (N, 3, 8, 8); only one value per channel can be added",
    ),
    "broadcast sum": (
        conv_then(n("GlobalAveragePool", "a", "g1"), n("Add", "a,g1", "p"), *HEAD),
        "node 'p' (Add) adds tensors of the shapes (3, 8, 8) and (3, 1, 1); they must be the same",
    ),
    "unflattened linear": (
        conv_then(n("MatMul", "a,k", "p"), n("Flatten", "p", "y"), k=w(8, 4)),
        "node 'p' (MatMul) needs one vector of 8 features per sample, but gets (N, 3, 8, 8)",
    ),
    "transposed A": (
        model([n("Gemm", "x,f", "y", transA=1)], {"f": w(1, 4)}, shape=(1, 6)),
        "node 'y' (Gemm) transposes A; only transA = 0 is supported",
    ),
    "computed weights": (
        conv_then(n("Relu", "a", "r"), n("Conv", "x,r", "z"), n("Flatten", "z", "y")),
        "node 'z' (Conv) needs a constant W, but it is computed",
    ),
    "softmax inside": (
        conv_then(n("Flatten", "a", "q"), n("Softmax", "q", "t"), n("Gemm", "t,f,c", "y", transB=1)),
        "node 't' (Softmax) stands inside the network; it is supported as the last operator only",
    ),
    "second output": (
        model([helper.make_node("MaxPool", ["x"], ["p", "i"], "p", kernel_shape=[2, 2]), n("Flatten", "i", "y")], {}),
        "node 'p' (MaxPool) has a second output 'i' that is used; trispike reads the first output only",
    ),
    "big kernel": (
        model([n("Conv", "x,k", "z"), n("Flatten", "z", "y")], {"k": w(3, 2, 9, 3)}),
        "node 'z' (Conv) has a kernel of 9 x 3 that does not fit into its padded input of 8 x 8",
    ),
    "map": (
        model([n("Conv", "x,w", "y")], CONV, outputs=[value_info("y", ("N", 3, 6, 6))]),
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
            model([n("Relu", "x", "y")], {}, inputs=[value_info("x", ("N", 4)), value_info("z", ("N", 4))]),
            " has 2 inputs (x, z); trispike reads networks with one input, so export the network with that alone",
        ),
        (
            model([n("Relu", "x", "y"), n("Relu", "x", "z")], {}, shape=("N", 4),
                  outputs=[value_info("y", ("N", 4)), value_info("z", ("N", 4))]),
            " has 2 outputs (y, z); trispike reads networks with one output, so export the network with that alone",
        ),
        (
            model([n("Relu", "x", "y")], {}, opset=6),
            " has the ONNX opset 6; trispike reads opset 7 and later, so export it again",
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
