"""The whole model: against plain loops, against a float network, and in its bookkeeping."""

import numpy as np
import pytest
from golden_scalar import scalar_layer, scalar_pool, scalar_tsa

from trispike.errors import InputError
from trispike.golden import GoldenModel, decode, encode, value_of
from trispike.golden import model as model_file
from trispike.network import INPUT, Kind, Layer, Mode, Network, Pool, Segment


def _layer(name, segments, neurons, mode=Mode.RELU, *, silent=0, pool=None, theta=40, rng=None):
    channels = neurons[0]
    shape = neurons if pool is None else (channels, *((n - k) // s + 1 for n, k, s in _axes(neurons, pool)))
    rng = rng or np.random.default_rng(0)
    firing = mode in (Mode.RELU, Mode.SIGNED)
    thetas = rng.integers(theta // 2, 2 * theta, channels) if firing else np.zeros(channels, np.int64)
    return Layer(
        name,
        tuple(segments),
        neurons,
        shape,
        mode,
        np.zeros(channels, np.int64) if mode is Mode.PASS else rng.integers(-theta // 4, theta // 4 + 1, channels),
        thetas,
        np.rint(2 / 3 * thetas).astype(np.int64),
        silent,
        np.ones(channels),
        np.full(channels, 0.25),
        pool,
    )


def _axes(neurons, pool):
    return zip(neurons[1:], pool.kernel, pool.stride, strict=True)


def _graph_network() -> Network:
    """A convolution with fused pooling, a residual block, a pass layer with overlapping pooling, a shared head."""
    rng = np.random.default_rng(11)

    def weights(*shape):
        return rng.integers(-20, 21, shape).astype(np.int8)

    identity = np.full((4, 1, 1), 30)
    layers = (
        _layer(
            "stem",
            [Segment(INPUT, Kind.BROADCAST, weights(4, 2, 3, 3), padding=(1, 1))],
            (4, 7, 8),
            silent=1,
            pool=Pool((2, 2), (2, 2)),
            rng=rng,
        ),
        _layer(
            "deep",
            [Segment("stem", Kind.LANEWISE, weights(4, 3, 3), padding=(2, 2), dilation=(2, 2))],
            (4, 3, 4),
            Mode.SIGNED,
            silent=2,
            rng=rng,
        ),
        _layer(
            "sum",
            [
                Segment("stem", Kind.LANEWISE, identity),
                Segment("deep", Kind.BROADCAST, weights(4, 4, 1, 1)),
                Segment(INPUT, Kind.BROADCAST, weights(4, 2, 1, 1), stride=(2, 2)),
            ],
            (4, 3, 4),
            silent=4,
            rng=rng,
        ),
        _layer(
            "pool",
            [Segment("sum", Kind.LANEWISE, np.ones((4, 1, 1), np.int8))],
            (4, 3, 4),
            Mode.PASS,
            pool=Pool((2, 3), (1, 1)),
        ),
        _layer("head", [Segment("pool", Kind.BROADCAST, weights(5, 4, 2, 2))], (5, 1, 1), Mode.LOGITS, rng=rng),
    )
    return Network("graph", 4, (2, 7, 8), np.array([1.0, 2.0]), layers)


def _images(network, count, seed=1):
    return np.random.default_rng(seed).normal(0, 0.5, (count, *network.input_shape)).astype(np.float32)


def test_a_graph_of_all_layer_kinds_agrees_with_plain_loops():
    network = _graph_network()
    result = GoldenModel(network).run(_images(network, 2), keep_trains=True)
    for n in range(2):
        tensors = {INPUT: result.trains[INPUT][n]}
        for layer in network.layers:
            z, additions = scalar_layer(layer, tensors)
            assert result.additions[layer.name][n] == additions
            if layer.mode is Mode.LOGITS:
                expected = [sum(z[t, o, 0, 0] << 3 - t for t in range(4)) + int(layer.bias[o]) * 16 for o in range(5)]
                assert result.integers[n].tolist() == expected
                continue
            fired = _scalar_fire(layer, z)
            if layer.pool:
                assert np.array_equal(result.trains[f"{layer.name}/neurons"][n], fired)
                fired = scalar_pool(fired, layer.pool)
            tensors[layer.name] = fired
            assert np.array_equal(result.trains[layer.name][n], fired)
            assert result.spikes[layer.name][n] == np.count_nonzero(fired)
    assert all(np.count_nonzero(train) for train in result.trains.values())


def _scalar_fire(layer, z):
    if layer.mode is Mode.PASS:
        return np.sign(z.astype(np.int64)).astype(np.int8)
    fired = np.zeros(z.shape, np.int8)
    for c, y, x in np.ndindex(*z.shape[1:]):
        constants = int(layer.bias[c]), int(layer.theta[c]), int(layer.phi[c])
        fired[:, c, y, x] = scalar_tsa(z[:, c, y, x].tolist(), *constants, layer.silent, layer.mode)[0]
    return fired


def test_chunks_do_not_show_in_the_result(monkeypatch):
    network = _graph_network()
    x = _images(network, 7)
    whole = GoldenModel(network).run(x, keep_trains=True)
    monkeypatch.setattr(model_file, "_CHUNK_BYTES", 3 * 4 * 4 * 4 * 7 * 8)  # three images of the sums of the stem
    calls = []
    parts = GoldenModel(network).run(x, keep_trains=True, progress=lambda done, of: calls.append((done, of)))
    assert calls == [(3, 7), (6, 7), (7, 7)]
    assert np.array_equal(whole.integers, parts.integers)
    assert whole.clipped == parts.clipped > 0
    for kept in ("trains", "spikes", "additions"):
        for name, values in getattr(whole, kept).items():
            assert np.array_equal(values, getattr(parts, kept)[name]), (kept, name)


def test_trains_are_kept_only_on_request():
    network = _graph_network()
    model = GoldenModel(network)
    lean, full = model.run(_images(network, 1)), model.run(_images(network, 1), keep_trains=True)
    assert lean.trains == {}
    assert list(full.trains) == [INPUT, "stem", "stem/neurons", "deep", "sum", "pool", "pool/neurons"]
    assert np.array_equal(lean.integers, full.integers)


def test_logits_are_the_integers_in_real_units():
    """One unit is 0.25, T is 4: a logit is S / 64."""
    network = _graph_network()
    result = GoldenModel(network).run(_images(network, 3))
    assert result.integers.dtype == np.int64
    assert np.array_equal(result.logits, result.integers / 64)


def test_a_network_worked_by_hand():
    """T = 2, input 0.5, 0.75, scale 1: A = 2 and 3, trains + 0 and + + (V 6 fires, 2; 4 fires).

    z of weights 3, -1: [2, -1]. Bias 1: S = 4 - 1 + 4 = 7; the logit is 0.25 * 7 / 4. Three spikes, one class.
    """
    segment = Segment(INPUT, Kind.BROADCAST, np.array([[[[3, -1]]]]))
    one, none = np.ones(1), np.zeros(1, np.int64)
    head = Layer("head", (segment,), (1, 1, 1), (1, 1, 1), Mode.LOGITS, none + 1, none, none, 0, one, one / 4)
    network = Network("tiny", 2, (1, 1, 2), one, (head,))
    result = GoldenModel(network).run(np.array([0.5, 0.75]).reshape(1, 1, 1, 2))
    assert result.integers.tolist() == [[7]]
    assert result.logits.tolist() == [[7 / 16]]
    assert result.spikes[INPUT].tolist() == [3]
    assert result.additions["head"].tolist() == [3]


def test_ideal_rounding_follows_the_float_convolution():
    """s = T, tau = 1/2: the train is the nearest code of relu(convolution), and stays within one unit of it."""
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(21)
    steps, channels = 7, 6
    weights, bias = rng.integers(-100, 101, (channels, 3, 3, 3)), rng.integers(-400, 401, channels)
    theta = rng.integers(300_000, 600_000, channels)
    scale = rng.uniform(0.5, 2.0, channels)
    unit = 2**steps * scale / theta
    input_scale = 1.5
    inner = Layer(
        "inner",
        (Segment(INPUT, Kind.BROADCAST, weights, (2, 1), (1, 1)),),
        (channels, 4, 8),
        (channels, 4, 8),
        Mode.RELU,
        bias,
        theta,
        (theta + 1) // 2,
        steps,
        scale,
        unit,
    )
    head = _layer("head", [Segment("inner", Kind.BROADCAST, np.ones((1, channels, 4, 8), int))], (1, 1, 1), Mode.LOGITS)
    network = Network("float", steps, (3, 8, 8), np.full(3, input_scale), (inner, head), tau=0.5)
    x = rng.uniform(-input_scale, input_scale, (4, 3, 8, 8))
    result = GoldenModel(network).run(x, keep_trains=True)

    seen = encode(x, network.input_scale, steps)[0] * input_scale / 2**steps
    assert np.array_equal(decode(result.trains[INPUT], network.input_scale), seen)
    real = torch.nn.functional.conv2d(
        torch.from_numpy(seen),
        torch.from_numpy(weights * unit[:, None, None, None] / input_scale),
        torch.from_numpy(bias * unit),
        stride=(2, 1),
        padding=1,
    )
    grid = 2**steps / scale[:, None, None]
    ideal = torch.relu(real).numpy() * grid
    integers = value_of(result.trains["inner"])
    in_range = ideal < 2**steps - 1
    assert in_range.mean() > 0.5
    assert (integers[in_range] > 0).mean() > 0.2
    assert np.abs(integers - ideal)[in_range].max() <= 0.5 + 1e-5
    assert (integers[~in_range] == 2**steps - 1).all()
    near_tie = np.abs(ideal % 1 - 0.5) < 1e-5
    assert np.array_equal(integers[in_range & ~near_tie], np.rint(ideal)[in_range & ~near_tie])


def test_silent_steps_change_the_trains():
    """A model that ignored s would still pass most structural tests."""
    network = _graph_network()
    stem = network.layers[0]
    x = _images(network, 2)
    late = Layer(**{**vars(stem), "silent": 4})
    changed = Network(**{**vars(network), "layers": (late, *network.layers[1:])})
    before = GoldenModel(network).run(x, keep_trains=True).trains["stem"]
    after = GoldenModel(changed).run(x, keep_trains=True).trains["stem"]
    assert not np.array_equal(before, after)


@pytest.mark.parametrize("shape", [(2, 7, 8), (1, 2, 8, 7), (1, 3, 7, 8), (0, 2, 7, 8)])
def test_images_of_another_shape_are_refused(shape):
    with pytest.raises(InputError) as caught:
        GoldenModel(_graph_network()).run(np.zeros(shape, np.float32))
    assert str(caught.value) == (
        f"images for graph must have the shape (N, 2, 7, 8) with N >= 1, not {shape}; "
        "preprocess them as the network wants its input"
    )


def test_images_that_are_no_numbers_are_refused():
    with pytest.raises(InputError) as caught:
        GoldenModel(_graph_network()).run(np.zeros((1, 2, 7, 8), complex))
    assert str(caught.value) == "images for graph must be real numbers, not complex128; store them as float32"
