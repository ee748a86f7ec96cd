"""The golden model in pieces: the same sums and trains as the whole, and samples that belong together."""

import numpy as np
import pytest

from trispike.conversion import spiking
from trispike.conversion.plan import LayerPlan, RealSegment
from trispike.conversion.spiking import run_layer, sample
from trispike.golden import GoldenModel, integrate, max_pool, tsa
from trispike.network import INPUT, Kind, Layer, Mode, Network, Pool, Segment

RANDOM = np.random.default_rng(5)
TRAINS = RANDOM.integers(-1, 2, (9, 4, 3, 6, 6)).astype(np.int8)
SEGMENT = Segment(INPUT, Kind.BROADCAST, RANDOM.integers(-9, 10, (5, 3, 3, 3)))


def layer(pool: Pool | None = None) -> Layer:
    shape = (5, 4, 4) if pool is None else (5, 2, 2)
    theta = np.full(5, 40)
    return Layer(
        "c",
        (SEGMENT,),
        (5, 4, 4),
        shape,
        Mode.RELU,
        np.arange(5),
        theta,
        theta * 2 // 3,
        1,
        np.ones(5),
        np.ones(5),
        pool,
    )


@pytest.mark.parametrize("pool", [None, Pool((2, 2), (2, 2))])
@pytest.mark.parametrize("chunk", [1, 3 * 4 * 4 * 16 * 27, 1 << 26])
def test_chunks_of_images_do_not_change_the_trains(monkeypatch, pool, chunk):
    monkeypatch.setattr(spiking, "_CHUNK_BYTES", chunk)
    one = layer(pool)
    trains = tsa(integrate((SEGMENT,), {INPUT: TRAINS}, one.neurons), one.bias, one.theta, one.phi, 1, one.mode)
    np.testing.assert_array_equal(run_layer(one, {INPUT: TRAINS}), trains if pool is None else max_pool(trains, pool))


def test_the_last_layer_gives_integers():
    x = RANDOM.standard_normal((3, 3, 1, 1))
    weights, nothing = RANDOM.integers(-9, 10, (4, 3, 1, 1)), np.zeros(4, np.int64)
    last = Layer(
        "l", (Segment(INPUT, Kind.BROADCAST, weights),), (4, 1, 1), (4, 1, 1), Mode.LOGITS, np.arange(4), nothing,
        nothing, 0, np.ones(4), np.ones(4),
    )  # fmt: skip
    result = GoldenModel(Network("n", 6, (3, 1, 1), np.full(3, 2.0), (last,))).run(x, keep_trains=True)
    np.testing.assert_array_equal(run_layer(last, {INPUT: result.trains[INPUT]})[:, :, 0, 0], result.integers)


@pytest.mark.parametrize("pool", [None, Pool((2, 2), (2, 2))])
@pytest.mark.parametrize("chunk", [1, 1 << 26])
def test_samples_are_sums_with_the_values_they_should_give(monkeypatch, pool, chunk):
    """`wanted` holds what the sums of a window come to, so each sample can be recognised."""
    monkeypatch.setattr(spiking, "_CHUNK_BYTES", chunk)
    monkeypatch.setattr(spiking, "_SAMPLE_NEURONS", 1)
    monkeypatch.setattr(spiking, "_MIN_WINDOWS", 20)
    whole = integrate((SEGMENT,), {INPUT: TRAINS}, (5, 4, 4))
    total = whole.sum(axis=1)
    wanted = total if pool is None else total.reshape(9, 5, 2, 2, 2, 2).sum(axis=(3, 5))
    one = layer(pool)
    real = RealSegment(INPUT, Kind.BROADCAST, SEGMENT.weights.astype(float))
    plan = LayerPlan("c", "c", (real,), one.neurons, one.shape, Mode.RELU, np.zeros(5), pool=pool)
    found = sample(plan, (SEGMENT,), {INPUT: TRAINS}, wanted)
    assert found.sums.shape == (20, 4, 5, *(pool.kernel if pool else (1, 1)))
    np.testing.assert_array_equal(found.sums.sum(axis=(1, 3, 4)), found.wanted)
    again = sample(plan, (SEGMENT,), {INPUT: TRAINS}, wanted)
    np.testing.assert_array_equal(found.sums, again.sums)
