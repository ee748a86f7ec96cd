"""The ATen operators that are read, from programs before and after decomposition. A handler translates arguments, by
the names of the ATen schemas, into one call of the builder; operators that work in place share the plain one's."""

import numpy as np

from .arrangement import Padding, Pair
from .builder import GraphBuilder, same_padding
from .registry import NO_ENLARGING, NO_STATE, NO_STATISTICS, NO_SUCH_NEURON, Registry
from .trace import Call
from .values import HEIGHT, WIDTH, Activation, Constant

ATEN = Registry("ATen")


def _both_sides(pair: tuple[int, int]) -> Padding:
    return pair[0], pair[1], pair[0], pair[1]


@ATEN.operator(
    "conv1d", "conv2d", "convolution",
    support="one- and two-dimensional; any kernel, stride, dilation, padding and groups",
)  # fmt: skip
def _conv2d(build: GraphBuilder, call: Call) -> Activation:
    if call.get("transposed", False):
        call.refuse("is transposed; only plain convolutions are supported")
    x, weights = call.activation("input"), call.weights("weight")
    weights = weights[:, :, None] if x.is_line and weights.ndim == 3 else weights
    stride, dilation = call.pair("stride", line=x.is_line), call.pair("dilation", line=x.is_line)
    match call.get("padding", 0):
        case "valid":
            padding = (0, 0, 0, 0)
        case "same":
            if weights.ndim != 4:
                call.refuse(
                    f"has weights of {weights.ndim} dimensions; trispike reads one- and two-dimensional convolutions"
                )
            size, kernel = (x.shape[HEIGHT], x.shape[WIDTH]), (weights.shape[2], weights.shape[3])
            padding = same_padding(size, kernel, stride, dilation)
        case _:
            padding = _both_sides(call.pair("padding", (0, 0), x.is_line))
    return build.conv(x, weights, call.optional_weights("bias"), stride, padding, dilation, call.get("groups", 1))


@ATEN.operator("linear", support="weights and bias constant")
def _linear(build: GraphBuilder, call: Call) -> Activation:
    return build.linear(call.activation("input"), call.weights("weight"), call.optional_weights("bias"))


@ATEN.operator("addmm", support="linear layer: mat2 and bias constant, alpha = beta = 1")
def _addmm(build: GraphBuilder, call: Call) -> Activation:
    if call.get("alpha", 1) != 1 or call.get("beta", 1) != 1:
        call.refuse(f"has alpha {call.get('alpha', 1)} and beta {call.get('beta', 1)}; both must be 1")
    return build.linear(call.activation("mat1"), call.weights("mat2").T, call.weights("self"))


@ATEN.operator("mm", support="linear layer: mat2 constant")
def _mm(build: GraphBuilder, call: Call) -> Activation:
    return build.linear(call.activation("self"), call.weights("mat2").T, None)


@ATEN.operator("matmul", support="linear layer: other constant")
def _matmul(build: GraphBuilder, call: Call) -> Activation:
    return build.linear(call.activation("self"), call.weights("other").T, None)


@ATEN.operator(
    "batch_norm",
    "_native_batch_norm_legit_no_training",
    support="with fixed statistics; folded into the convolutions around it where possible",
)
def _batch_norm(build: GraphBuilder, call: Call) -> Activation:
    if call.get("training", False):
        call.refuse("is in training mode; export module.eval()")
    x = call.activation("input")
    mean, variance = call.weights("running_mean"), call.weights("running_var")
    scale, shift = call.optional_weights("weight"), call.optional_weights("bias")
    scale = np.ones_like(mean) if scale is None else scale
    shift = np.zeros_like(mean) if shift is None else shift
    return build.batch_norm(x, scale, shift, mean, variance, call.number("eps", 1e-5))


@ATEN.operator("add", support="sum of two activations of one shape, or of an activation and a constant per channel")
def _add(build: GraphBuilder, call: Call) -> Activation:
    if call.get("alpha", 1) != 1:
        call.refuse(f"has alpha {call.get('alpha')}; it must be 1")
    for x, y in (("self", "other"), ("other", "self")):
        if isinstance(call.get(y), Constant):
            return build.add_constant(call.activation(x), call.weights(y))
    if isinstance(call.get("other"), int | float):
        return build.add_constant(call.activation("self"), np.float32(call.get("other")).reshape(1))
    return build.add(call.activation("self"), call.activation("other"))


@ATEN.operator("sub", "rsub", support="a constant per channel from an activation, or (rsub) an activation from it")
def _sub(build: GraphBuilder, call: Call) -> Activation:
    if call.get("alpha", 1) != 1:
        call.refuse(f"has alpha {call.get('alpha')}; it must be 1")
    x, y = call.get("self"), call.get("other")
    turned = not isinstance(x, Activation)
    activation, constant = ("other", "self") if turned else ("self", "other")
    if isinstance(x, Activation) and isinstance(y, Activation):
        call.refuse("subtracts two activations; one of the two must be constant")
    value = _number_or_weights(call, constant)
    if turned or call.label.startswith("aten.rsub"):
        return build.add_constant(build.negate(call.activation(activation)), value)
    return build.add_constant(call.activation(activation), -value)


@ATEN.operator("mul", support="by a constant per channel")
def _mul(build: GraphBuilder, call: Call) -> Activation | Constant:
    for x, y in (("self", "other"), ("other", "self")):
        if not isinstance(call.get(y), Activation):
            return build.scale(call.activation(x), _number_or_weights(call, y))
    call.refuse("multiplies two activations, for which the hardware has no multiplier; one of them must be constant")


@ATEN.operator("div", support="by a constant per channel")
def _div(build: GraphBuilder, call: Call) -> Activation | Constant:
    divisor = _number_or_weights(call, "other")
    if not divisor.all():
        call.refuse("divides by zero; train or export the network again")
    return build.scale(call.activation("self"), 1 / divisor)


def _number_or_weights(call: Call, key: str) -> np.ndarray:
    value = call.get(key)
    return np.float32(value).reshape(1) if isinstance(value, int | float) else call.weights(key)


@ATEN.operator("cat", support="of activations and zeros along the channels")
def _cat(build: GraphBuilder, call: Call) -> Activation:
    return build.concat(call.tensors("tensors"), int(call.get("dim", 0)))


@ATEN.operator("chunk", "split", "split_with_sizes", support="along the channels", several=True)
def _split(build: GraphBuilder, call: Call) -> tuple[Activation, ...]:
    x = call.activation("self")
    sizes, size = call.ints("split_size" if "split_size" in call.arguments else "split_sizes"), x.shape[0]
    if "chunks" in call.arguments or len(sizes) == 1:
        part = sizes[0] if sizes else -(-size // int(call.get("chunks", 1)))
        sizes = (*((part,) * (call.outputs - 1)), size - part * (call.outputs - 1))
    return build.split(x, int(call.get("dim", 0)), sizes)


@ATEN.operator("zeros", "zeros_like", "new_zeros", support="beside activations that cat joins", unread=("self", "size"))
def _zeros(build: GraphBuilder, call: Call) -> Constant:
    return Constant(call.name, np.zeros(call.output_dims, np.float32))


@ATEN.operator("pad", "constant_pad_nd", support="with zeros: around the map and along the channels")
def _pad(build: GraphBuilder, call: Call) -> Activation:
    if call.get("mode", "constant") != "constant":
        call.refuse(f"pads in mode {call.get('mode')}; only mode constant is supported")
    x, pads = call.activation("self"), call.ints("pad")
    rest = (0,) * (1 + len(x.axes) - len(pads) // 2)  # pairs stand for the last dimensions, the last of them first
    return build.pad(x, rest + pads[-2::-2], rest + pads[::-2], call.number("value", 0.0))


@ATEN.operator("slice", support="some channels; every k-th row or column of a whole map")
def _slice(build: GraphBuilder, call: Call) -> Activation:
    stop = int(call.get("end", np.iinfo(np.int64).max))
    return build.slice(call.activation("self"), int(call.get("dim", 0)), int(call.get("start", 0)), stop,
                       int(call.get("step", 1)))  # fmt: skip


@ATEN.operator("relu", support="everywhere")
def _relu(build: GraphBuilder, call: Call) -> Activation:
    return build.relu(call.activation("self"))


@ATEN.operator("relu6", support="everywhere")
def _relu6(build: GraphBuilder, call: Call) -> Activation:
    return build.relu(call.activation("self"), 6.0)


@ATEN.operator("hardtanh", support="lower limit 0 (ReLU6)")
def _hardtanh(build: GraphBuilder, call: Call) -> Activation:
    return build.clip(call.activation("self"), call.number("min_val", -1), call.number("max_val", 1))


@ATEN.operator("clamp", "clamp_min", support="lower limit 0, constant upper limit")
def _clamp(build: GraphBuilder, call: Call) -> Activation:
    return build.clip(call.activation("self"), call.number("min", -np.inf), call.number("max", np.inf))


@ATEN.operator(
    "max_pool1d", "max_pool2d", "max_pool2d_with_indices", support="overlapping, padded, ceil_mode; without dilation"
)
def _max_pool(build: GraphBuilder, call: Call) -> Activation:
    if call.pair("dilation") != (1, 1):
        call.refuse(f"has dilation {list(call.ints('dilation'))}; pooling is supported without dilation only")
    x, (kernel, stride, padding) = call.activation("self"), _window(call)
    return build.max_pool(x, kernel, stride, padding, call.get("ceil_mode", False))


@ATEN.operator(
    "avg_pool1d", "avg_pool2d",
    support="padding counted or not, without divisor_override; ceil_mode, but not with padding that counts",
)  # fmt: skip
def _avg_pool(build: GraphBuilder, call: Call) -> Activation:
    if call.get("divisor_override") is not None:
        call.refuse("has a divisor_override; averages are supported over their own window only")
    x, (kernel, stride, padding) = call.activation("self"), _window(call)
    ceil, counted = call.get("ceil_mode", False), call.get("count_include_pad", True)
    return build.average_pool(x, kernel, stride, padding, ceil, counted)


def _window(call: Call) -> tuple[Pair, Pair, Padding]:
    """Kernel, stride and padding of a pooling."""
    line = call.activation("self").is_line
    kernel = call.pair("kernel_size", line=line)
    return kernel, call.pair("stride", kernel, line), _both_sides(call.pair("padding", (0, 0), line))


@ATEN.operator("adaptive_avg_pool2d", "_adaptive_avg_pool2d", support="output sizes that divide the map's")
def _adaptive_avg_pool2d(build: GraphBuilder, call: Call) -> Activation:
    x, size = call.activation("self"), call.pair("output_size")
    if min(size) < 1 or x.shape[HEIGHT] % size[0] or x.shape[WIDTH] % size[1]:
        call.refuse(
            f"pools a map of {x.shape[HEIGHT]} x {x.shape[WIDTH]} to {size[0]} x {size[1]}; "
            f"the output size must divide the map's"
        )
    kernel = (x.shape[HEIGHT] // size[0], x.shape[WIDTH] // size[1])
    return build.average_pool(x, kernel, kernel, (0, 0, 0, 0), ceil=False, count_padding=False)


@ATEN.operator("adaptive_max_pool2d", support="to one value a channel")
def _adaptive_max_pool2d(build: GraphBuilder, call: Call) -> Activation:
    if call.pair("output_size") != (1, 1):
        call.refuse(f"pools to {call.pair('output_size')}; only the maximum of the whole map is supported")
    return build.maximum(call.activation("self"), (2, 3), keep=True)


@ATEN.operator("amax", support="over height and width")
def _amax(build: GraphBuilder, call: Call) -> Activation:
    return build.maximum(call.activation("self"), call.ints("dim"), call.get("keepdim", False))


@ATEN.operator("mean", support="over height and width")
def _mean(build: GraphBuilder, call: Call) -> Activation:
    return build.mean(call.activation("self"), call.ints("dim"), call.get("keepdim", False))


@ATEN.operator(
    "flatten", "view", "_unsafe_view", "reshape", "squeeze", "unsqueeze", "unflatten",
    support="keeping the batch, height and width whole; channel shuffles",
)  # fmt: skip
def _reshape(build: GraphBuilder, call: Call) -> Activation | Constant:
    value = call.tensor("input" if "input" in call.arguments else "self")
    return build.reshape(value, call.output_dims)


@ATEN.operator("permute", support="keeping the batch; convolutions and pooling need (N, C, H, W)")
def _permute(build: GraphBuilder, call: Call) -> Activation | Constant:
    return build.transpose(call.tensor("self"), call.ints("dims"))


@ATEN.operator("t", "numpy_T", support="of constants")
def _t(build: GraphBuilder, call: Call) -> Activation | Constant:
    return build.transpose(call.tensor("self"), ())


@ATEN.operator("transpose", support="keeping the batch; convolutions and pooling need (N, C, H, W)")
def _transpose(build: GraphBuilder, call: Call) -> Activation | Constant:
    value = call.tensor("self")
    rank = value.array.ndim if isinstance(value, Constant) else 1 + len(value.axes)
    order = list(range(rank))
    first, second = call.get("dim0"), call.get("dim1")
    order[first], order[second] = order[second], order[first]
    return build.transpose(value, tuple(order))


@ATEN.operator(
    "dropout", "feature_dropout", "clone", "contiguous", "alias", "detach", "detach_", "lift_fresh_copy",
    support="left out",
)  # fmt: skip
def _identity(build: GraphBuilder, call: Call) -> Activation | Constant:
    if call.get("train", False):
        call.refuse("is in training mode; export module.eval()")
    return call.tensor("input" if "input" in call.arguments else "self")


@ATEN.operator(
    "softmax", "_softmax", "log_softmax", "_log_softmax", support="as the last operator, left out with a note"
)
def _softmax(build: GraphBuilder, call: Call) -> Activation:
    return build.softmax(call.activation("self"), int(call.get("dim", -1)))


ATEN.refuse(
    "leaky_relu", "prelu", "_prelu_kernel", "threshold", "elu", "selu", "celu", "gelu", "silu", "mish", "softplus",
    "softsign", "sigmoid", "hardsigmoid", "hardswish", "tanh", "erf", "exp",
    reason=NO_SUCH_NEURON,
)  # fmt: skip
ATEN.refuse("lstm", "gru", "rnn_tanh", "rnn_relu", "scaled_dot_product_attention", reason=NO_STATE)
ATEN.refuse(
    "conv_transpose2d", "upsample_nearest2d", "upsample_bilinear2d", "pixel_shuffle", "interpolate",
    reason=NO_ENLARGING,
)  # fmt: skip
ATEN.refuse("layer_norm", "native_layer_norm", "group_norm", "native_group_norm", "instance_norm", reason=NO_STATISTICS)
