"""The golden model against the known answers that stand beside the numerics."""

import json
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from trispike.golden import GoldenModel, digits_of, tsa, value_of
from trispike.network import INPUT, Kind, Layer, Mode, Network, Pool, Segment

VECTORS = Path(__file__).parents[3] / "shared" / "vectors.json"


@pytest.fixture(scope="module")
def vectors():
    if not VECTORS.exists():
        pytest.skip("the known answers ../shared/vectors.json are not beside this repository")
    return json.loads(VECTORS.read_text(encoding="utf-8"))


def test_every_neuron_digit_by_digit_with_its_potentials(vectors):
    """Neurons with equal T, s and mode run together, one channel each."""
    groups = defaultdict(list)
    for row in vectors["tsa"]:
        groups[row["T"], row["s"], row["mode"]].append(row)
    checked = 0
    for (_, silent, mode), rows in groups.items():
        seen = []
        trains = tsa(
            np.array([row["z"] for row in rows]).T[None, :, :, None, None],
            np.array([row["b"] for row in rows]),
            np.array([row["theta"] for row in rows]),
            np.array([row["phi"] for row in rows]),
            silent,
            Mode(mode),
            observe=lambda potential, seen=seen: seen.append(potential.astype(np.int64).ravel()),
        )
        assert trains[0, :, :, 0, 0].T.tolist() == [row["digits"] for row in rows]
        assert seen[-1].tolist() == [row["V_end"] for row in rows]
        assert np.abs(seen).max(axis=0).tolist() == [row["V_max"] for row in rows]
        checked += len(rows)
    assert checked == 1500


def test_every_input_code(vectors):
    for row in vectors["encode"]:
        trains = digits_of(np.full((1, 1, 1, 1), row["A"]), row["T"])
        assert trains.ravel().tolist() == row["digits"]
        assert value_of(trains).item() == row["A"]
    assert len(vectors["encode"]) >= 200


def _network(row) -> Network:
    weights, linear = np.array(row["conv_w"]), np.array(row["linear_w"])
    channels, inputs, kernel, _ = weights.shape
    source = np.array(row["input_A"]).shape
    size = (source[1] + 2 * row["pad"] - kernel) // row["stride"] + 1
    pool = Pool((row["pool"],) * 2, (row["pool"],) * 2) if row["pool"] else None
    out = size // row["pool"] if row["pool"] else size
    assert source[0] == inputs
    stride, pad = (row["stride"],) * 2, (row["pad"],) * 2
    conv = Layer(
        "conv",
        (Segment(INPUT, Kind.BROADCAST, weights, stride, pad),),
        (channels, size, size),
        (channels, out, out),
        Mode.RELU,
        np.array(row["conv_b"]),
        np.array(row["theta"]),
        np.array(row["phi"]),
        row["s"],
        np.ones(channels),
        np.ones(channels),
        pool,
    )
    classes = len(linear)
    zeros = np.zeros(classes, np.int64)
    head = Layer(
        "linear",
        (Segment("conv", Kind.BROADCAST, linear.reshape(classes, channels, out, out)),),
        (classes, 1, 1),
        (classes, 1, 1),
        Mode.LOGITS,
        np.array(row["linear_b"]),
        zeros,
        zeros,
        0,
        np.ones(classes),
        np.ones(classes),
    )
    return Network("known", row["T"], source, np.ones(inputs), (conv, head))


def test_every_network_down_to_trains_and_integers(vectors):
    for row in vectors["networks"]:
        x = np.array(row["input_A"], np.float32)[None] / 2 ** row["T"]
        result = GoldenModel(_network(row)).run(x, keep_trains=True)
        fired = result.trains["conv/neurons" if row["pool"] else "conv"]
        assert value_of(result.trains[INPUT])[0].tolist() == row["input_A"]
        assert fired[0].transpose(1, 2, 3, 0).tolist() == row["conv_trains"]
        assert result.integers[0].tolist() == row["integers"]
        assert result.clipped == 0
    assert len(vectors["networks"]) == 60
