"""Placement of tensors in spike memory: nothing that lives at the same time overlaps, and memory is used again."""

from itertools import pairwise

import numpy as np
import pytest
from random_networks import random_network

from trispike.lowering.task import Task
from trispike.lowering.tensors import PLAIN, buffers, ceil_div, lifetimes, place_tensors
from trispike.network import INPUT, Kind, Layer, Mode, Network, Segment
from trispike_hw.architecture import preset

SMALL = preset("small")


def chain(length: int, size: int) -> Network:
    """Pointwise layers one behind the other on a 16-channel map of size x size."""
    names = [INPUT, *(f"l{n}" for n in range(length))]
    zero, ones = np.zeros(16, np.int64), np.ones(16)
    layers = [
        Layer(
            name=name,
            segments=(Segment(source, Kind.BROADCAST, np.ones((16, 16, 1, 1), np.int64)),),
            neurons=(16, size, size),
            shape=(16, size, size),
            mode=Mode.LOGITS if name == names[-1] else Mode.SIGNED,
            bias=zero,
            theta=zero + 2,
            phi=zero + 1,
            silent=0,
            scale=ones,
            unit=ones,
        )
        for source, name in pairwise(names)
    ]
    return Network("chain", 8, (16, size, size), ones, tuple(layers))


def test_a_chain_needs_two_tensors() -> None:
    network = chain(6, 19)
    placements = place_tensors(Task.of(network), PLAIN, SMALL)
    words = 8 * 19 * 19
    low, high = sorted({place.base for place in placements.values()})
    assert low < SMALL.banks
    assert words <= high < words + 9 * SMALL.banks  # a gap of less than a turn of the banks after each step
    assert list(placements) == [INPUT, "l0", "l1", "l2", "l3", "l4"]


@pytest.mark.parametrize("seed", range(20))
def test_live_tensors_never_overlap(seed: int) -> None:
    network = random_network(seed, SMALL)
    task = Task.of(network)
    placements = place_tensors(task, PLAIN, SMALL)
    lives, shared = lifetimes(task), buffers(task)
    assert set(placements) == set(lives)
    for one, a in placements.items():
        assert a.base + network.time_steps * a.plane <= SMALL.spike_words
        for other, b in placements.items():
            if shared[one] != shared[other] and lives[one][0] <= lives[other][1] and lives[other][0] <= lives[one][1]:
                size_a, size_b = network.time_steps * a.plane, network.time_steps * b.plane
                assert a.base + size_a <= b.base or b.base + size_b <= a.base, (one, other)


def test_lifetimes_reach_to_the_last_reader() -> None:
    network = chain(4, 3)
    late = network.layers[3]
    segments = (*late.segments, Segment("l0", Kind.LANEWISE, np.ones((16, 1, 1), np.int64)))
    layers = (*network.layers[:3], Layer(**(vars(late) | {"segments": segments})))
    lives = lifetimes(Task.of(Network("net", 8, network.input_shape, network.input_scale, layers)))
    assert lives == {INPUT: (-1, 0), "l0": (0, 3), "l1": (1, 2), "l2": (2, 3)}


def test_ceil_div() -> None:
    assert [ceil_div(n, 16) for n in (0, 1, 16, 17)] == [0, 1, 1, 2]
