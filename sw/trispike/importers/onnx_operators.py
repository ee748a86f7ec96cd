"""The ONNX operators that are read. A handler translates arguments, by the names of the ONNX operator schemas (inputs
and attributes alike, whichever an opset uses), into one call of the builder."""

from functools import reduce

import numpy as np

from .arrangement import Padding, Pair
from .builder import GraphBuilder, same_padding
from .registry import NO_ENLARGING, NO_QUANTISED, NO_STATE, NO_STATISTICS, NO_SUCH_NEURON, Registry
from .trace import Call
from .values import HEIGHT, WIDTH, Activation, Constant

ONNX = Registry("ONNX")
_FLOATS = (1, 10, 11, 16)  #: FLOAT, FLOAT16, DOUBLE, BFLOAT16 of TensorProto.DataType


def _padding(call: Call, x: Activation, kernel: Pair, stride: Pair, dilation: Pair = (1, 1)) -> Padding:
    """Explicit padding of a window operator from `pads` or `auto_pad`."""
    mode = call.get("auto_pad", "NOTSET")
    if mode == "VALID":
        return 0, 0, 0, 0
    if mode in ("SAME_UPPER", "SAME_LOWER"):
        return same_padding((x.shape[HEIGHT], x.shape[WIDTH]), kernel, stride, dilation, mode == "SAME_UPPER")
    pads = call.ints("pads") or (0, 0, 0, 0)
    if x.is_line and len(pads) == 2:
        return 0, pads[0], 0, pads[1]
    if len(pads) != 4:
        call.refuse(f"has {len(pads)} values in pads; trispike reads one- and two-dimensional maps only")
    return pads[0], pads[1], pads[2], pads[3]


def _check_dilation(call: Call) -> None:
    if call.pair("dilations") != (1, 1):
        call.refuse(f"has dilations {list(call.ints('dilations'))}; pooling is supported without dilation only")


@ONNX.operator("Conv", support="one- and two-dimensional; any kernel, stride, dilation, padding and group")
def _conv(build: GraphBuilder, call: Call) -> Activation:
    x, weights = call.activation("X"), call.weights("W")
    weights = weights[:, :, None] if x.is_line and weights.ndim == 3 else weights
    if weights.ndim != 4:
        call.refuse(f"has weights of {weights.ndim} dimensions; trispike reads one- and two-dimensional convolutions")
    stride, dilation = call.pair("strides", line=x.is_line), call.pair("dilations", line=x.is_line)
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


@ONNX.operator("Add", support="sum of two activations of one shape, or of an activation and a constant per channel")
def _add(build: GraphBuilder, call: Call) -> Activation:
    for x, y in (("A", "B"), ("B", "A")):
        if isinstance(call.get(y), Constant):
            return build.add_constant(call.activation(x), call.weights(y))
    return build.add(call.activation("A"), call.activation("B"))


@ONNX.operator("Sum", support="of activations of one shape")
def _sum(build: GraphBuilder, call: Call) -> Activation:
    terms = [term for term in call.tensors("data_0") if isinstance(term, Activation)]
    if len(terms) != len(call.get("data_0")):
        call.refuse("adds a constant; export the network with Add in its place")
    return reduce(build.add, terms)


def _and_constant(call: Call) -> tuple[Activation, float]:
    """The activation and the one number that an operator on two of them has as inputs."""
    first, second = (*call.tensors("data_0"), None)[:2]
    x, limit = (first, second) if isinstance(first, Activation) else (second, first)
    if len(call.get("data_0")) != 2 or not isinstance(x, Activation) or not isinstance(limit, Constant):
        call.refuse("compares activations; it is supported between an activation and a constant only")
    if limit.array.size != 1:
        call.refuse(f"compares with {limit.array.size} values; it must be one number")
    return x, float(limit.array.reshape(-1)[0])


@ONNX.operator("Max", support="of an activation and 0 (ReLU)")
def _max(build: GraphBuilder, call: Call) -> Activation:
    x, limit = _and_constant(call)
    return build.clip(x, limit, np.inf)


@ONNX.operator("Min", support="of the output of a ReLU and a constant (ReLU6)")
def _min(build: GraphBuilder, call: Call) -> Activation:
    return build.limit(*_and_constant(call))


@ONNX.operator("Sub", support="a constant per channel from an activation, or an activation from it")
def _sub(build: GraphBuilder, call: Call) -> Activation:
    if isinstance(call.get("A"), Constant):
        return build.add_constant(build.negate(call.activation("B")), call.weights("A"))
    if isinstance(call.get("B"), Constant):
        return build.add_constant(call.activation("A"), -call.weights("B"))
    call.refuse("subtracts two activations; one of the two must be constant")


@ONNX.operator("Mul", support="by a constant per channel")
def _mul(build: GraphBuilder, call: Call) -> Activation | Constant:
    for x, y in (("A", "B"), ("B", "A")):
        if isinstance(call.get(y), Constant):
            return build.scale(call.activation(x), call.weights(y))
    call.refuse("multiplies two activations, for which the hardware has no multiplier; one of them must be constant")


@ONNX.operator("Div", support="by a constant per channel")
def _div(build: GraphBuilder, call: Call) -> Activation | Constant:
    divisor = call.weights("B")
    if not divisor.all():
        call.refuse("divides by zero; train or export the network again")
    return build.scale(call.activation("A"), 1 / divisor)


@ONNX.operator("BatchNormalization", support="everywhere; folded into the convolutions around it where possible")
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


@ONNX.operator("MaxPool", support="one- and two-dimensional, overlapping, padded, ceil_mode; without dilation")
def _max_pool(build: GraphBuilder, call: Call) -> Activation:
    _check_dilation(call)
    x = call.activation("X")
    kernel, stride = call.pair("kernel_shape", line=x.is_line), call.pair("strides", line=x.is_line)
    return build.max_pool(x, kernel, stride, _padding(call, x, kernel, stride), bool(call.get("ceil_mode", 0)))


@ONNX.operator(
    "AveragePool",
    support="one- and two-dimensional, padding counted or not; ceil_mode, but not with padding that counts",
)
def _average_pool(build: GraphBuilder, call: Call) -> Activation:
    _check_dilation(call)
    x = call.activation("X")
    kernel, stride = call.pair("kernel_shape", line=x.is_line), call.pair("strides", line=x.is_line)
    padding, ceil = _padding(call, x, kernel, stride), bool(call.get("ceil_mode", 0))
    return build.average_pool(x, kernel, stride, padding, ceil, bool(call.get("count_include_pad", 0)))


@ONNX.operator("GlobalMaxPool", support="everywhere")
def _global_max_pool(build: GraphBuilder, call: Call) -> Activation:
    x = call.activation("X")
    return build.max_pool(x, x.shape[1:], x.shape[1:], (0, 0, 0, 0), ceil=False)


@ONNX.operator("Concat", support="of activations and zeros along the channels")
def _concat(build: GraphBuilder, call: Call) -> Activation:
    return build.concat(call.tensors("inputs"), int(call.get("axis", 1)))


@ONNX.operator("Split", support="along the channels", several=True)
def _split(build: GraphBuilder, call: Call) -> tuple[Activation, ...]:
    x, axis = call.activation("input"), int(call.get("axis", 0))
    sizes = call.ints("split")
    if not sizes:
        size = x.shape[0]
        part = -(-size // call.outputs)
        sizes = (*((part,) * (call.outputs - 1)), size - part * (call.outputs - 1))
    return build.split(x, axis, sizes)


@ONNX.operator("Pad", support="with zeros: around the map (also as a part of what follows) and along the channels")
def _pad(build: GraphBuilder, call: Call) -> Activation:
    if call.get("mode", "constant") != "constant":
        call.refuse(f"pads in mode {call.get('mode')}; only mode constant is supported")
    pads = call.ints("pads")
    x, value = call.activation("data"), call.number("constant_value", call.number("value", 0.0))
    before, behind = pads[: len(pads) // 2], pads[len(pads) // 2 :]
    if call.get("axes") is not None:
        rank = 1 + len(x.axes)
        sides = dict(zip((axis % rank for axis in call.ints("axes")), zip(before, behind, strict=True), strict=True))
        before, behind = (tuple(sides.get(axis, (0, 0))[side] for axis in range(rank)) for side in (0, 1))
    return build.pad(x, before, behind, value)


@ONNX.operator("Slice", support="some channels; every k-th row or column of a whole map")
def _slice(build: GraphBuilder, call: Call) -> Activation:
    x, starts, ends = call.activation("data"), call.ints("starts"), call.ints("ends")
    axes = call.ints("axes") or tuple(range(len(starts)))
    for axis, start, end, step in zip(axes, starts, ends, call.ints("steps") or (1,) * len(starts), strict=True):
        x = build.slice(x, axis, start, end, step)
    return x


@ONNX.operator("GlobalAveragePool", support="everywhere")
def _global_average_pool(build: GraphBuilder, call: Call) -> Activation:
    return build.mean(call.activation("X"), (2, 3), keep=True)


@ONNX.operator("ReduceMean", support="over height and width")
def _reduce_mean(build: GraphBuilder, call: Call) -> Activation:
    return build.mean(call.activation("data"), call.ints("axes"), bool(call.get("keepdims", 1)))


@ONNX.operator("ReduceMax", support="over height and width")
def _reduce_max(build: GraphBuilder, call: Call) -> Activation:
    return build.maximum(call.activation("data"), call.ints("axes"), bool(call.get("keepdims", 1)))


@ONNX.operator("Flatten", support="keeping the batch")
def _flatten(build: GraphBuilder, call: Call) -> Activation | Constant:
    return build.reshape(call.tensor("input"), call.output_dims)


@ONNX.operator("Reshape", support="keeping the batch, height and width whole; channel shuffles", unread=("shape",))
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


@ONNX.operator("Cast", support="between types of floating-point numbers, or from the type of the network input to one")
def _cast(build: GraphBuilder, call: Call) -> Activation | Constant:
    if int(call.get("to", 0)) not in _FLOATS:
        call.refuse("turns activations into integers; export the network with floating-point numbers")
    return call.tensor("input")


@ONNX.operator("Softmax", "LogSoftmax", support="as the last operator, left out with a note")
def _softmax(build: GraphBuilder, call: Call) -> Activation:
    return build.softmax(call.activation("input"), int(call.get("axis", -1)))


ONNX.refuse(
    "LeakyRelu", "PRelu", "ThresholdedRelu", "Elu", "Selu", "Celu", "Gelu", "Mish", "Softplus", "Softsign", "Sigmoid",
    "HardSigmoid", "HardSwish", "Tanh", "Erf", "Exp",
    reason=NO_SUCH_NEURON,
)  # fmt: skip
ONNX.refuse(
    "QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "QLinearConv", "QLinearMatMul", "ConvInteger",
    "MatMulInteger",
    reason=NO_QUANTISED,
)  # fmt: skip
ONNX.refuse("LSTM", "GRU", "RNN", "Attention", reason=NO_STATE)
ONNX.refuse("ConvTranspose", "Resize", "Upsample", "DepthToSpace", reason=NO_ENLARGING)
ONNX.refuse(
    "LRN", "LayerNormalization", "InstanceNormalization", "GroupNormalization", "LpNormalization",
    reason=NO_STATISTICS,
)  # fmt: skip
