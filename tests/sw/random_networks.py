"""Random small networks with every feature of the machine, for tests of lowering, emulator and RTL."""

import numpy as np

from trispike.errors import PlacementError
from trispike.golden import potential_bound, sum_abs_weights
from trispike.lowering import lower
from trispike.network import INPUT, Kind, Layer, Mode, Network, Pool, Segment
from trispike_hw.architecture import Architecture

ATTEMPTS = 50
MOST_TIME_STEPS = 12


def random_network(seed: int, arch: Architecture, largest: int = 9) -> Network:
    """A network that fits `arch`: one seed, one network.

    One to three hidden layers out of convolutions (strides, paddings, dilations, several tiles, several segments,
    fused pooling), lane-wise layers, stand-alone pooling and hidden linear layers, then a last layer. Maps have at most
    `largest` rows and columns.
    """
    rng = np.random.default_rng(seed)
    for _ in range(ATTEMPTS):
        network = _Draw(rng, arch, largest).network(f"random{seed}")
        try:
            lower(network, arch)
        except PlacementError:
            continue
        return network
    raise AssertionError(f"no network of seed {seed} fits architecture {arch.name}")


def random_image(network: Network, seed: int) -> np.ndarray:
    """An image float64 [C, H, W] for `network`, a third of it zero and some of it beyond the range of the code."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1.1, 1.1, network.input_shape) * network.input_scale[:, None, None]
    return np.where(rng.random(x.shape) < 1 / 3, 0, x)


class _Draw:
    """One attempt: draws layer after layer."""

    def __init__(self, rng: np.random.Generator, arch: Architecture, largest: int) -> None:
        self._rng, self._arch = rng, arch
        self._steps = int(rng.integers(1, min(arch.max_time_steps, MOST_TIME_STEPS) + 1))
        channels = int(rng.choice([1, 2, 3, 5, arch.columns, arch.columns + 3]))
        self._shapes = {INPUT: (channels, *(int(n) for n in rng.integers(3, largest + 1, 2)))}
        self._layers: list[Layer] = []

    def network(self, name: str) -> Network:
        for number in range(self._int(1, 3)):
            draw = self._rng.choice(
                [self._conv, self._lanewise, self._pass, self._linear, self._residual], p=[0.45, 0.2, 0.1, 0.1, 0.15]
            )
            draw(f"layer{number}")
        self._last("logits")
        shape = self._shapes[INPUT]
        return Network(name, self._steps, shape, self._rng.uniform(0.5, 2, shape[0]), tuple(self._layers))

    def _int(self, low: int, high: int) -> int:
        return int(self._rng.integers(low, high + 1))

    def _latest(self) -> str:
        return list(self._shapes)[-1]

    def _weights(self, *shape: int) -> np.ndarray:
        most = (1 << self._arch.weight_bits - 1) - 1
        bits = self._int(1, self._arch.weight_bits - 1)
        weights = self._rng.integers(-(1 << bits), (1 << bits), shape).clip(-most - 1, most)
        return np.where(self._rng.random(shape) < 0.2, 0, weights)

    def _channels(self) -> int:
        columns = self._arch.columns
        return int(self._rng.choice([self._int(1, columns), columns, 2 * columns, self._int(1, 5 * columns)]))

    def _pool(self, size: tuple[int, int]) -> Pool | None:
        kernel = tuple(min(self._int(1, 3), n) for n in size)
        if kernel == (1, 1) or self._rng.random() < 0.5:
            return None
        return Pool(kernel, (self._int(1, 3), self._int(1, 3)))

    def _geometry(self, size: tuple[int, int]) -> tuple[tuple[int, int], dict, tuple[int, int]]:
        """Kernel, segment fields and output size of a convolution over a map of `size`."""
        kernel, stride, padding, dilation, out = [], [], [], [], []
        for length in size:
            taps = self._int(1, min(5, length + 1))
            spread = self._int(1, 2) if self._rng.random() < 0.3 else 1
            before = self._int(0, taps - 1)
            reach = (taps - 1) * spread + 1
            step = self._int(1, 3)
            kernel.append(taps)
            stride.append(step)
            padding.append(before)
            dilation.append(spread)
            out.append(max(1, (length + before + self._int(0, taps - 1) - reach) // step + 1))
        fields = {"stride": tuple(stride), "padding": tuple(padding), "dilation": tuple(dilation)}
        return (kernel[0], kernel[1]), fields, (out[0], out[1])

    def _conv(self, name: str) -> None:
        source = self._latest()
        inputs, *size = self._shapes[source]
        kernel, fields, out = self._geometry((size[0], size[1]))
        outputs = self._channels()
        segments = [Segment(source, Kind.BROADCAST, self._weights(outputs, inputs, *kernel), **fields)]
        self._spiking(name, segments, (outputs, *out))

    def _lanewise(self, name: str) -> None:
        source = self._latest()
        channels, *size = self._shapes[source]
        kernel, fields, out = self._geometry((size[0], size[1]))
        weights = self._weights(channels, *kernel)
        if self._rng.random() < 0.5:
            weights[:] = weights[:, :1, :1]
        self._spiking(name, [Segment(source, Kind.LANEWISE, weights, **fields)], (channels, *out))

    def _pass(self, name: str) -> None:
        source = self._latest()
        channels, *size = shape = self._shapes[source]
        segment = Segment(source, Kind.LANEWISE, np.ones((channels, 1, 1), np.int64))
        zero = np.zeros(channels, np.int64)
        pool = self._pool((size[0], size[1]))
        self._add(name, [segment], shape, Mode.PASS, (zero, zero, zero), 0, pool)

    def _linear(self, name: str) -> None:
        source = self._latest()
        outputs = self._channels()
        weights = self._weights(outputs, *self._shapes[source])
        self._spiking(name, [Segment(source, Kind.BROADCAST, weights)], (outputs, 1, 1), pool=False)

    def _residual(self, name: str) -> None:
        """A 3 x 3 convolution, an identity in two parts and, where there is one, a projection of another tensor."""
        source = self._latest()
        channels, rows, columns = shape = self._shapes[source]
        most = (1 << self._arch.weight_bits - 1) - 1
        segments = [
            Segment(source, Kind.BROADCAST, self._weights(channels, channels, 3, 3), padding=(1, 1)),
            Segment(source, Kind.LANEWISE, np.full((channels, 1, 1), most)),
            Segment(source, Kind.LANEWISE, self._weights(channels, 1, 1)),
        ]
        others = [tensor for tensor, other in self._shapes.items() if tensor != source and other[1:] == (rows, columns)]
        if others:
            other = str(self._rng.choice(others))
            weights = self._weights(channels, self._shapes[other][0], 1, 1)
            segments.append(Segment(other, Kind.BROADCAST, weights))
        self._spiking(name, segments, shape)

    def _last(self, name: str) -> None:
        source = self._latest()
        classes = self._channels()
        weights = self._weights(classes, *self._shapes[source])
        if self._rng.random() < 0.3:
            weights[:] = weights[..., :1, :1]
        segments = [Segment(source, Kind.BROADCAST, weights)]
        if self._rng.random() < 0.2:
            segments.append(Segment(INPUT, Kind.BROADCAST, self._weights(classes, *self._shapes[INPUT])))
        total = sum_abs_weights(segments, classes)
        bias = self._rng.integers(-total, total + 1).clip(*self._bias_range())
        zero = np.zeros(classes, np.int64)
        most = (1 << self._arch.potential_bits - 1) - 1
        if potential_bound(total, bias, zero, zero, self._steps, 0, Mode.LOGITS).max() > most or self._overflows(total):
            segments = [Segment(s.source, s.kind, s.weights.clip(-1, 1)) for s in segments]
            bias = zero
        self._add(name, segments, (classes, 1, 1), Mode.LOGITS, (bias, zero, zero), 0, None)

    def _bias_range(self) -> tuple[int, int]:
        return -(1 << self._arch.bias_bits - 1), (1 << self._arch.bias_bits - 1) - 1

    def _overflows(self, total: np.ndarray) -> bool:
        return bool(total.max() >= 1 << self._arch.accumulator_bits - 1)

    def _spiking(self, name: str, segments: list[Segment], neurons: tuple[int, int, int], *, pool: bool = True) -> None:
        """Add a layer with thresholds that let some neurons fire and no potential overflow."""
        mode = Mode.SIGNED if self._rng.random() < 0.3 else Mode.RELU
        silent = int(self._rng.choice([0, 1, 1, self._steps, self._int(0, self._steps)]))
        silent = min(silent, self._steps)
        tau = float(self._rng.choice([0.5, 2 / 3]))
        most = (1 << self._arch.potential_bits - 1) - 1
        gain = self._rng.uniform(0.1, 1.0, neurons[0])
        while True:
            total = sum_abs_weights(segments, neurons[0])
            bias = self._rng.integers(-total // 4, total // 4 + 1).clip(*self._bias_range())
            theta = (np.sqrt(total + 1) * gain * (1 << silent)).round().astype(np.int64)
            theta = theta.clip(2, (1 << self._arch.threshold_bits) - 1)
            phi = np.floor(tau * theta + 0.5).astype(np.int64)
            bound = potential_bound(total, bias, theta, phi, self._steps, silent, mode).max()
            if bound <= most and not self._overflows(total):
                break
            if silent and not self._overflows(total):
                silent -= 1
            else:
                segments = [
                    Segment(s.source, s.kind, np.fix(s.weights / 2).astype(np.int64), s.stride, s.padding, s.dilation)
                    for s in segments
                ]
        shape = self._pool((neurons[1], neurons[2])) if pool else None
        self._add(name, segments, neurons, mode, (bias, theta, phi), silent, shape)

    def _add(
        self,
        name: str,
        segments: list[Segment],
        neurons: tuple[int, int, int],
        mode: Mode,
        constants: tuple[np.ndarray, np.ndarray, np.ndarray],
        silent: int,
        pool: Pool | None,
    ) -> None:
        shape = neurons
        if pool:
            size = [(n - k) // s + 1 for n, k, s in zip(neurons[1:], pool.kernel, pool.stride, strict=True)]
            shape = (neurons[0], *size)
        ones = np.ones(neurons[0])
        self._layers.append(Layer(name, tuple(segments), neurons, shape, mode, *constants, silent, ones, ones, pool))
        self._shapes[name] = shape
