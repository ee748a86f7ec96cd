"""How good and how busy a spiking network is on labelled data, for several numbers of time steps."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from .errors import ConversionError, InputError
from .golden import GoldenModel
from .network import Layer, Network

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Evaluation:
    """What a network does with N images in T time steps.

    `accuracy` is the share of images whose first choice is the label, `agreement` of those whose first choice is the
    float network's, `mean_squared_error` that of the answers against the float network's; None without labels or
    without float answers. `spikes` and `additions` are means per image over all layers, the input's spikes included.
    """

    time_steps: int
    accuracy: float | None
    agreement: float | None
    mean_squared_error: float | None
    spikes: float
    additions: float


def at_time_steps(network: Network, time_steps: int) -> Network:
    """`network` with trains of another length T, 1 <= T <= its own.

    Weights, biases and thresholds do not depend on T. A layer with more silent steps than T keeps T of them.

    Raises:
        ConversionError: if T is out of range: longer trains could need wider potentials than were proven to fit.
    """
    if not 1 <= time_steps <= network.time_steps:
        raise ConversionError(
            f"network {network.name} is compiled for {network.time_steps} time steps and can run with "
            f"1..{network.time_steps}, not {time_steps}; compile it for more"
        )
    layers = tuple(with_silent(layer, min(layer.silent, time_steps)) for layer in network.layers)
    return replace(network, time_steps=time_steps, layers=layers)


def with_silent(layer: Layer, silent: int) -> Layer:
    """`layer` with at most its own number of silent steps; its thresholds become as much smaller as its potentials."""
    if silent == layer.silent:
        return layer
    half = 1 << layer.silent - silent >> 1
    theta, phi = (np.maximum(1, value + half >> layer.silent - silent) for value in (layer.theta, layer.phi))
    return replace(layer, silent=silent, theta=theta, phi=phi)


def evaluate(
    network: Network,
    x: np.ndarray,
    labels: np.ndarray | None,
    float_answers: np.ndarray | None,
    time_steps: Sequence[int],
    progress: Progress | None = None,
) -> list[Evaluation]:
    """One row for each T of `time_steps`.

    `x` is float32 [N, C, H, W], `labels` integers [N], `float_answers` float32 [N, classes]. `progress` is called with
    the images done and the images in all, over all T.

    Raises:
        InputError: if the labels or float answers do not fit.
        ConversionError: if `network` cannot run with one of the T.
    """
    if labels is not None and labels.shape != (len(x),):
        raise InputError(f"labels must have shape [{len(x)}], one per image, not {list(labels.shape)}")
    if float_answers is not None and float_answers.shape != (len(x), network.classes):
        raise InputError(
            f"the float network must answer [{len(x)}, {network.classes}], not {list(float_answers.shape)}; "
            f"give the model that the image was compiled from"
        )
    networks = [at_time_steps(network, steps) for steps in time_steps]
    rows = []
    for number, changed in enumerate(networks):

        def report(done: int, total: int, before: int = number) -> None:
            if progress is not None:
                progress(before * total + done, len(networks) * total)

        rows.append(_evaluate(changed, x, labels, float_answers, report))
    return rows


def _evaluate(
    network: Network, x: np.ndarray, labels: np.ndarray | None, float_answers: np.ndarray | None, progress: Progress
) -> Evaluation:
    result = GoldenModel(network).run(x, progress=progress)
    answers = answers_of(network, result.logits)
    choices = answers.argmax(1)
    return Evaluation(
        time_steps=network.time_steps,
        accuracy=None if labels is None else float(np.mean(choices == labels)),
        agreement=None if float_answers is None else float(np.mean(choices == float_answers.argmax(1))),
        mean_squared_error=None if float_answers is None else float(np.mean(np.square(answers - float_answers))),
        spikes=float(sum(spikes.mean() for spikes in result.spikes.values())),
        additions=float(sum(additions.mean() for additions in result.additions.values())),
    )


def answers_of(network: Network, logits: np.ndarray) -> np.ndarray:
    """What the float network answers in place of `logits`: limited where it ends in a ReLU, which logits leave out."""
    if "output_relu" not in network.notes:
        return logits
    upper = network.notes.get("output_upper")
    return np.clip(logits, 0, None if upper is None else float(upper))
