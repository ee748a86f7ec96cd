"""The ONNX operators that are read. A handler translates arguments, by the names of the ONNX operator schemas (inputs
and attributes alike, whichever an opset uses), into one call of the builder."""

import numpy as np

from .builder import GraphBuilder, Padding, Pair, same_padding
from .registry import Registry
from .trace import Call
from .values import HEIGHT, WIDTH, Activation, Constant

ONNX = Registry("ONNX")


def _padding(call: Call, x: Activation, kernel: Pair, stride: Pair, dilation: Pair = (1, 1)) -> Padding:
    """Explicit padding of a window operator from `pads` or `auto_pad`."""
    mode = call.get("auto_pad", "NOTSET")
    if mode == "VALID":
        return 0, 0, 0, 0
    if mode in ("SAME_UPPER", "SAME_LOWER"):
        return same_padding((x.shape[HEIGHT], x.shape[WIDTH]), kernel, stride, dilation, mode == "SAME_UPPER")
    pads = call.ints("pads", (0, 0, 0, 0))
    if len(pads) != 4:
        call.refuse(f"has {len(pads)} values in pads; trispike reads two-dimensional maps only")
    return pads[0], pads[1], pads[2], pads[3]


def _check_dilation(call: Call) -> None:
    if call.pair("dilations") != (1, 1):
        call.refuse(f"has dilations {list(call.ints('dilations'))}; pooling is supported without dilation only")


@ONNX.operator("Conv", support="two-dimensional; any kernel, stride, dilation, padding (pads or auto_pad) and group")
def _conv(build: GraphBuilder, call: Call) -> Activation:
    x, weights = call.activation("X"), call.weights("W")
    if weights.ndim != 4:
        call.refuse(f"has weights of {weights.ndim} dimensions; trispike reads two-dimensional convolutions")
    stride, dilation = call.pair("strides"), call.pair("dilations")
    padding = _padding(call, x, (weights.shape[2], weights.shape[3]), stride, dilation)
    return build.conv(x, weights, call.optional_weights("B"), stride, padding, dilation, int(call.get("group", 1)))


@ONNX.operator("Gemm", support="linear layer: A not transposed, B and C constant")
def _gemm(build: GraphBuilder, call: Call) -> Activation:
    if call.get("transA", 0):
        call.refuse("transposes A; only transA = 0 is supported")
    weights = call.weights("B") * np.float32(call.number("alpha", 1.0))
    bias = call.optional_weights("C")
    if not call.get("transB", 0):
        weights = weights.T
    if bias is not None:
        bias = np.broadcast_to(bias.reshape(-1), weights.shape[:1]) if bias.size == 1 else bias
        bias = bias * np.float32(call.number("beta", 1.0))
    return build.linear(call.activation("A"), weights, bias)


@ONNX.operator("MatMul", support="linear layer: B constant")
def _matmul(build: GraphBuilder, call: Call) -> Activation:
    return build.linear(call.activation("A"), call.weights("B").T, None)


@ONNX.operator("Add", support="sum of two activations of one shape, or of a layer and a constant per channel (bias)")
def _add(build: GraphBuilder, call: Call) -> Activation:
    for x, y in (("A", "B"), ("B", "A")):
        if isinstance(call.get(y), Constant):
            return build.add_constant(call.activation(x), call.weights(y))
    return build.add(call.activation("A"), call.activation("B"))


@ONNX.operator("BatchNormalization", support="directly behind Conv, Gemm or MatMul, into which it is folded")
def _batch_normalization(build: GraphBuilder, call: Call) -> Activation:
    if call.get("training_mode", 0):
        call.refuse("is in training mode; export the network for inference")
    statistics = (
        (call.weights("mean"), call.weights("var"))
        if "mean" in call.arguments
        else (call.weights("input_mean"), call.weights("input_var"))
    )
    scale, shift = call.weights("scale"), call.weights("B")
    return build.batch_norm(call.activation("X"), scale, shift, *statistics, call.number("epsilon", 1e-5))


@ONNX.operator("Relu", support="everywhere")
def _relu(build: GraphBuilder, call: Call) -> Activation:
    return build.relu(call.activation("X"))


@ONNX.operator("Clip", support="lower limit 0, constant upper limit (ReLU6)")
def _clip(build: GraphBuilder, call: Call) -> Activation:
    return build.clip(call.activation("input"), call.number("min", -np.inf), call.number("max", np.inf))


@ONNX.operator("MaxPool", support="two-dimensional, without dilation; ceil_mode where it changes nothing")
def _max_pool(build: GraphBuilder, call: Call) -> Activation:
    _check_dilation(call)
    x, kernel, stride = call.activation("X"), call.pair("kernel_shape"), call.pair("strides")
    return build.max_pool(x, kernel, stride, _padding(call, x, kernel, stride), bool(call.get("ceil_mode", 0)))


@ONNX.operator("AveragePool", support="two-dimensional, without dilation; ceil_mode where it changes nothing")
def _average_pool(build: GraphBuilder, call: Call) -> Activation:
    _check_dilation(call)
    x, kernel, stride = call.activation("X"), call.pair("kernel_shape"), call.pair("strides")
    padding, ceil = _padding(call, x, kernel, stride), bool(call.get("ceil_mode", 0))
    return build.average_pool(x, kernel, stride, padding, ceil, bool(call.get("count_include_pad", 0)))


@ONNX.operator("GlobalAveragePool", support="everywhere")
def _global_average_pool(build: GraphBuilder, call: Call) -> Activation:
    return build.mean(call.activation("X"), (2, 3), keep=True)


@ONNX.operator("ReduceMean", support="over height and width")
def _reduce_mean(build: GraphBuilder, call: Call) -> Activation:
    return build.mean(call.activation("data"), call.ints("axes"), bool(call.get("keepdims", 1)))


@ONNX.operator("Flatten", support="keeping the batch")
def _flatten(build: GraphBuilder, call: Call) -> Activation | Constant:
    return build.reshape(call.tensor("input"), call.output_dims)


@ONNX.operator("Reshape", support="keeping the batch, and channels, height and width whole", unread=("shape",))
def _reshape(build: GraphBuilder, call: Call) -> Activation | Constant:
    return build.reshape(call.tensor("data"), call.output_dims)


@ONNX.operator("Squeeze", "Unsqueeze", support="keeping the batch", unread=("axes",))
def _squeeze(build: GraphBuilder, call: Call) -> Activation | Constant:
    return build.reshape(call.tensor("data"), call.output_dims)


@ONNX.operator("Transpose", support="keeping the batch; convolutions and pooling need (N, C, H, W)")
def _transpose(build: GraphBuilder, call: Call) -> Activation | Constant:
    return build.transpose(call.tensor("data"), call.ints("perm"))


@ONNX.operator("Dropout", support="left out", unread=("ratio", "training_mode"))
def _dropout(build: GraphBuilder, call: Call) -> Activation | Constant:
    return call.tensor("data")


@ONNX.operator("Identity", support="left out")
def _identity(build: GraphBuilder, call: Call) -> Activation | Constant:
    return call.tensor("input")


@ONNX.operator("Constant", support="everywhere")
def _constant(build: GraphBuilder, call: Call) -> Constant:
    value = next(iter(call.arguments.values()))
    return value if isinstance(value, Constant) else Constant(call.name, np.asarray(value))


@ONNX.operator("Softmax", "LogSoftmax", support="as the last operator, left out with a note")
def _softmax(build: GraphBuilder, call: Call) -> Activation:
    return build.softmax(call.activation("input"), int(call.get("axis", -1)))
