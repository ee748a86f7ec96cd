"""The spikes that an estimate counts with: those of given images, or assumed ones."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..golden import GoldenModel
from ..golden.additions import count_additions, fan_out, spikes_per_pixel
from ..inputs import checked_images
from ..lowering.alignment import SPIKES_PER_BIT
from ..network import INPUT, Network

TIMED = 8
"""Images that are timed, spike by spike."""

Progress = Callable[[float, int], None]


@dataclass(frozen=True)
class Statistics:
    """`trains`, one dictionary per timed image, int8 [T, C, H, W] by tensor name; `additions` by layer name, means of
    all `images`, or of the made-up one if the spikes are `assumed`."""

    trains: tuple[dict[str, np.ndarray], ...]
    additions: dict[str, float]
    images: int
    assumed: bool


def measured(network: Network, x: np.ndarray, progress: Progress | None = None) -> Statistics:
    """What the golden model makes of images `x`, real [N, C, H, W], N >= 1.

    Timed are TIMED images whose additions per layer have nearly the mean of all, and nearly their variance: a layer's
    cycles grow with its additions, but not evenly where it waits for something else with few of them.

    Raises:
        InputError: if the network does not take `x`.
    """
    x = checked_images(x, network.input_shape, f"images for {network.name}")
    golden = GoldenModel(network)
    counted = golden.run(x, progress=progress).additions
    additions = np.stack([counted[layer.name] for layer in network.layers], axis=1).astype(float)
    means = additions.mean(axis=0)
    chosen = _balanced(_moments(additions), TIMED)
    kept = [golden.run(x[number : number + 1], keep_trains=True).trains for number in chosen]
    return Statistics(
        trains=tuple({name: train[0] for name, train in trains.items()} for trains in kept),
        additions={layer.name: float(mean) for layer, mean in zip(network.layers, means, strict=True)},
        images=len(x),
        assumed=False,
    )


def _moments(additions: np.ndarray) -> np.ndarray:
    """How far each row is from the mean of its columns, in means, and how far the square of that is from the variance:
    rows that make up for each other in both have the mean and the variance of all."""
    means = additions.mean(axis=0)
    excess = (additions - means) / np.maximum(means, 1)
    square = excess**2
    return np.concatenate([excess, square - square.mean(axis=0)], axis=1)


def _balanced(rows: np.ndarray, count: int) -> list[int]:
    """Numbers of `count` rows, or all, whose mean is small: the smallest row, then the ones that make up
    best for those before them (herding: Welling, Herding dynamical weights to learn, ICML 2009)."""
    left = np.ones(len(rows), bool)
    total = np.zeros(rows.shape[1])
    chosen: list[int] = []
    while len(chosen) < min(count, len(rows)):
        distances = np.where(left, ((rows + total) ** 2).sum(axis=1), np.inf)
        best = int(np.argmin(distances))
        left[best] = False
        total += rows[best]
        chosen.append(best)
    return sorted(chosen)


def assumed(network: Network, rate: float = SPIKES_PER_BIT) -> Statistics:
    """Spikes thrown at random, `rate` of them per neuron and step: the same ones in every run."""
    random = np.random.default_rng(0)
    shapes = {INPUT: network.coded_shape} | {layer.name: layer.shape for layer in network.layers[:-1]}
    digits, odds = np.array([-1, 0, 1], np.int8), [rate / 2, 1 - rate, rate / 2]
    trains = {name: random.choice(digits, (network.time_steps, *shape), p=odds) for name, shape in shapes.items()}
    batch = {name: train[None] for name, train in trains.items()}
    spikes = {name: spikes_per_pixel(train) for name, train in batch.items()}
    additions = {}
    for layer in network.layers:
        fan_outs = tuple(fan_out(s, layer, network.shape_of(s.source)[1:]) for s in layer.segments)
        additions[layer.name] = float(count_additions(layer, fan_outs, spikes, batch)[0])
    return Statistics((trains,), additions, 1, True)
