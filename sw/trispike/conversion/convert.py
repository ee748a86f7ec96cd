"""From a float graph to an integer spiking network: the converter's front door."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trispike_hw.architecture import Architecture

from ..errors import ConversionError
from ..golden import digits_of, encode
from ..graph import Graph
from ..network import INPUT, Mode, Network
from .calibration import MAX_IMAGES, Calibration, calibrate
from .canonical import canonical
from .fuse import Plan, fuse
from .layers import Coding, build_layer
from .plan import LayerPlan
from .report import ConversionReport, LayerReport, layer_report, span, spike_rate
from .scales import input_scale
from .spiking import run_layer


def convert(
    graph: Graph,
    arch: Architecture,
    *,
    calibration: np.ndarray | None = None,
    time_steps: int = 8,
    silent: int = 1,
    tau: float = 2 / 3,
    max_images: int = MAX_IMAGES,
    correct_bias: bool = True,
) -> tuple[Network, ConversionReport]:
    """Turn `graph` into a spiking network whose every integer fits the widths of `arch`.

    `calibration` are images [N, C, H, W] as the network wants its input, of which at most `max_images` are used;
    without them random input takes their place and accuracy suffers (the report warns). `time_steps` is T, `silent`
    is s. `correct_bias` shifts biases by what rounding leaves on average, 0.2 to 2 dB less error in the logits.

    Raises:
        ConversionError: if an option is out of range or the network cannot be exact on `arch`.
        InputError: if `calibration` does not suit the network.
    """
    _check_options(arch, time_steps, silent, tau)
    coding = Coding(time_steps, silent, tau, correct_bias)
    graph = canonical(graph)
    plan = fuse(graph)
    data = calibrate(graph, calibration, time_steps, max_images)
    encoded = _encoded_input(data, plan, time_steps)
    scales, tensors = {INPUT: encoded.scale}, {INPUT: encoded.trains}
    layers, rows = [], []
    for index, part in enumerate(plan.layers):
        sources = {segment.source: tensors[segment.source] for segment in part.segments}
        wanted = data.activations[part.tensor]
        layer = build_layer(part, arch, coding, scales, sources, wanted)
        scales[layer.name], tensors[layer.name] = layer.scale, run_layer(layer, sources)
        layers.append(layer)
        rows.append(layer_report(layer, tensors[layer.name], wanted, time_steps))
        _forget(tensors, plan.layers[index + 1 :])
    network = Network(graph.name, time_steps, graph.input_shape, encoded.scale, tuple(layers), tau, _notes(plan))
    report = ConversionReport(
        network=graph.name, time_steps=time_steps, silent=silent, tau=tau, images=len(data.images),
        input_scale=span(encoded.scale), input_clipped=encoded.clipped, input_spikes=spike_rate(encoded.trains),
        agreement=float(np.mean(_choices(tensors[layers[-1].name]) == _choices(wanted))),
        layers=tuple(rows), warnings=_warnings(data, rows, arch),
    )  # fmt: skip
    return network, report


@dataclass(frozen=True)
class _Encoded:
    """The network input as trains; `clipped` is the share of values that were clipped."""

    scale: np.ndarray
    trains: np.ndarray
    clipped: float


def _encoded_input(data: Calibration, plan: Plan, time_steps: int) -> _Encoded:
    scale = input_scale(data.images, time_steps, plan.shared_input_scale)
    integers, clipped = encode(data.images, scale, time_steps)
    return _Encoded(scale, digits_of(integers, time_steps), clipped / integers.size)


def _check_options(arch: Architecture, time_steps: int, silent: int, tau: float) -> None:
    if not 1 <= time_steps <= arch.max_time_steps:
        raise ConversionError(
            f"time_steps must lie in 1..{arch.max_time_steps} on architecture {arch.name}, not {time_steps}; "
            f"choose fewer or an architecture with more max_time_steps"
        )
    if not 0 <= silent <= time_steps:
        raise ConversionError(f"silent must lie in 0..time_steps = 0..{time_steps}, not {silent}; 1 is usual")
    if not 0.5 <= tau < 1:
        raise ConversionError(f"tau must lie in 1/2 <= tau < 1, not {tau}; 2/3 is usual")


def _forget(tensors: dict[str, np.ndarray], remaining: Sequence[LayerPlan]) -> None:
    """Drop the trains that no remaining layer reads; the last layer's answers stay."""
    if remaining:
        needed = {segment.source for layer in remaining for segment in layer.segments}
        for name in tensors.keys() - needed:
            del tensors[name]


def _choices(answers: np.ndarray) -> np.ndarray:
    """First choice per image of answers [N, classes, 1, 1]."""
    return answers[:, :, 0, 0].argmax(axis=1)


def _notes(plan: Plan) -> dict[str, str]:
    """What the logits leave out: a ReLU behind the last layer, which callers apply to logits."""
    notes = {"output_relu": "1"} if plan.output_relu else {}
    return notes | ({"output_upper": repr(plan.output_upper)} if plan.output_upper is not None else {})


def _warnings(data: Calibration, rows: Sequence[LayerReport], arch: Architecture) -> tuple[str, ...]:
    found = []
    if data.random:
        found.append("calibrated on random input because no images were given: accuracy will suffer")
    widest = (1 << arch.weight_bits - 1) - 1
    for row in rows:
        if row.mode != Mode.PASS.value and 2 * row.weight_peak < widest:
            found.append(
                f"layer {row.name}: some channels use weights of at most {row.weight_peak} where {widest} would fit, "
                f"so that everything else stays within the widths of architecture {arch.name}"
            )
    return tuple(found)
