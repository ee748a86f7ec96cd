"""From a float graph to an integer spiking network: the converter's front door."""

from collections.abc import Sequence

import numpy as np

from trispike_hw.architecture import Architecture

from ..errors import ConversionError
from ..golden import shifted
from ..graph import Graph
from ..network import INPUT, Layer, Mode, Network
from ..progress import StageProgress, unwatched
from .calibration import MAX_IMAGES, Calibration, calibrate
from .canonical import canonical
from .fuse import Plan, fuse
from .input_coding import CodedInput, centred_input, plain_input
from .layers import Coding, build_layer
from .plan import LayerPlan
from .report import ConversionReport, LayerReport, layer_report, span, spike_rate
from .spiking import run_layer
from .wide import parted, partial_sums

_WORTH_OF_SPIKES = 1.0  #: dB of the first layer's SQNR for every time as many input spikes
_JUDGES = 64  #: images on which the ways to code the input are compared


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
    progress: StageProgress = unwatched,
) -> tuple[Network, ConversionReport]:
    """Turn `graph` into a spiking network whose every integer fits the widths of `arch`.

    `calibration` are images [N, C, H, W] as the network wants its input, of which at most `max_images` are used;
    without them random input takes their place and accuracy suffers (the report warns). `time_steps` is T, `silent`
    is s of all layers that fire. `correct_bias` shifts biases by what rounding leaves on average, 0.2 to 2 dB less
    error in the logits. `progress` counts layers.

    Raises:
        ConversionError: if an option is out of range or the network cannot be exact on `arch`.
        InputError: if `calibration` does not suit the network.
    """
    coding = _coding(arch, time_steps, silent, tau, correct_bias)
    graph = canonical(graph)
    plan = parted(fuse(graph), arch)
    data = calibrate(graph, calibration, time_steps, max_images)
    coded = _coded_input(plan, data, arch, coding)
    plan, scales, tensors = coded.plan, {INPUT: coded.scale}, {INPUT: coded.trains}
    real = {INPUT: shifted(data.images, coded.offset, coded.padding)}
    layers, rows = [], []
    for index, part in enumerate(plan.layers):
        progress(f"converting layers, T = {time_steps}, s = {silent}", index, len(plan.layers))
        sources = {segment.source: tensors[segment.source] for segment in part.segments}
        wanted = partial_sums(part, real) if part.partial else data.activations[part.tensor]
        real[part.name] = wanted
        layer, result, row = _converted(part, arch, coding, scales, sources, wanted)
        scales[layer.name], tensors[layer.name] = layer.scale, result
        layers.append(layer)
        rows.append(row)
        for kept in (tensors, real):
            _forget(kept, plan.layers[index + 1 :])
    network = Network(
        graph.name, time_steps, graph.input_shape, coded.scale, tuple(layers), tau, _notes(plan), coded.offset,
        coded.padding,
    )  # fmt: skip
    report = ConversionReport(
        network=graph.name, time_steps=time_steps, silent=silent, tau=tau, images=len(data.images),
        input_scale=span(coded.scale), input_offset=None if coded.offset is None else span(coded.offset),
        input_clipped=coded.clipped, input_spikes=spike_rate(coded.trains),
        agreement=float(np.mean(_choices(tensors[layers[-1].name]) == _choices(wanted))),
        layers=tuple(rows), warnings=_warnings(data, rows, arch),
    )  # fmt: skip
    return network, report


def _coded_input(plan: Plan, data: Calibration, arch: Architecture, coding: Coding) -> CodedInput:
    """The input coded as it is, or around its middle if that makes the first layer better by what its spikes cost."""
    images, time_steps = data.images, coding.time_steps
    chosen = np.arange(min(_JUDGES, len(images))) * len(images) // min(_JUDGES, len(images))
    few = images[chosen]
    plain, centred = plain_input(plan, few, time_steps), centred_input(plan, few, time_steps)
    if centred is None:
        return plain_input(plan, images, time_steps)

    def quality(coded: CodedInput) -> float:
        reader = coded.plan.layers[0]
        wanted = data.activations[reader.tensor][chosen]
        _, _, row = _converted(reader, arch, coding, {INPUT: coded.scale}, {INPUT: coded.trains}, wanted)
        return np.inf if row.sqnr_db is None else row.sqnr_db

    before, after = quality(plain), quality(centred)
    worth = before < np.inf and after - before >= _WORTH_OF_SPIKES * centred.spikes / max(1, plain.spikes)
    return (centred_input(plan, images, time_steps) if worth else None) or plain_input(plan, images, time_steps)


def _coding(arch: Architecture, time_steps: int, silent: int, tau: float, correct_bias: bool) -> Coding:
    """The coding that all layers share, if there is such a one."""
    if not 1 <= time_steps <= arch.max_time_steps:
        raise ConversionError(
            f"time_steps must lie in 1..{arch.max_time_steps} on architecture {arch.name}, not {time_steps}; "
            f"choose fewer or an architecture with more max_time_steps"
        )
    if not 0 <= silent <= time_steps:
        raise ConversionError(f"silent must lie in 0..time_steps = 0..{time_steps}, not {silent}; 1 is usual")
    if not 0.5 <= tau < 1:
        raise ConversionError(f"tau must lie in 1/2 <= tau < 1, not {tau}; 2/3 is usual")
    return Coding(time_steps, silent, tau, correct_bias)


def _converted(
    part: LayerPlan,
    arch: Architecture,
    coding: Coding,
    scales: dict[str, np.ndarray],
    sources: dict[str, np.ndarray],
    wanted: np.ndarray,
) -> tuple[Layer, np.ndarray, LayerReport]:
    """The layer, its output and its row of the report."""
    layer = build_layer(part, arch, coding, scales, sources, wanted)
    result = run_layer(layer, sources)
    return layer, result, layer_report(layer, result, wanted, coding.time_steps)


def _forget(tensors: dict[str, np.ndarray], remaining: Sequence[LayerPlan]) -> None:
    """Drop the tensors that no remaining layer reads; the last layer's answers stay."""
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
