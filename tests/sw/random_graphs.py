"""Random float networks out of everything that the compiler reads, for golden model against RTL."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from small_graphs import Builder, Padding, Pair

from trispike.conversion import convert
from trispike.errors import ConversionError, PlacementError
from trispike.evaluation import with_silent
from trispike.graph import Graph
from trispike.lowering import lower
from trispike.network import INPUT
from trispike.program import Program
from trispike_hw.architecture import Architecture

ATTEMPTS = 20
MOST_TIME_STEPS = 8
_LARGEST_MAP = 9
_CALIBRATION_IMAGES = 12


@dataclass(frozen=True)
class Case:
    """A random network and how it was converted; `images` are float32 [2, C, H, W]."""

    graph: Graph
    options: dict[str, int | float]
    program: Program
    images: np.ndarray


def random_case(seed: int, arch: Architecture) -> Case:
    """A network that fits `arch`: one seed, one network, T, s and tau; some have layers with fewer silent steps."""
    rng = np.random.default_rng(seed)
    for _ in range(ATTEMPTS):
        graph = _Draw(rng).graph(f"random{seed}")
        steps = int(rng.integers(1, MOST_TIME_STEPS + 1))
        mixed, silent = rng.random() < 0.3, int(rng.integers(0, steps + 1))
        options = {"time_steps": steps, "silent": silent, "tau": float(rng.choice([1 / 2, 2 / 3, 3 / 4]))}
        x = rng.standard_normal((_CALIBRATION_IMAGES + 2, *graph.input_shape)).astype(np.float32)
        try:
            network, _ = convert(graph, arch, calibration=x[2:], **options)
        except ConversionError as refused:
            if "theta must be at least 2" in str(refused):  # a Clip below what so few silent steps resolve
                continue
            raise
        if mixed:
            layers = (with_silent(layer, int(rng.integers(0, layer.silent + 1))) for layer in network.layers)
            network = replace(network, layers=tuple(layers))
        try:
            return Case(graph, options, lower(network, arch), x[:2])
        except PlacementError:
            continue
    raise AssertionError(f"no network of seed {seed} fits architecture {arch.name}")


class _Draw:
    """One attempt: draws block after block, each behind the one before it."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        rows, columns = (int(size) for size in rng.integers(3, _LARGEST_MAP + 1, 2))
        if rng.random() < 0.1:
            rows = 1  # a signal, as one-dimensional networks have it
        self._b = Builder((int(rng.choice([1, 2, 3, 4, 16, 18])), rows, columns), seed=self._int(0, 1 << 30))
        self._positive: set[str] = set()

    def graph(self, name: str) -> Graph:
        x = INPUT
        blocks: tuple[Callable[[str], str], ...] = (
            self._convolution, self._convolution, self._depthwise, self._residual, self._fire, self._max_pool,
            self._average, self._normalised, self._padded, self._shuffled, self._linear,
        )  # fmt: skip
        for _ in range(self._int(1, 4)):
            x = blocks[self._int(0, len(blocks) - 1)](x)
        self._last(x)
        return self._b.graph(name)

    def _int(self, low: int, high: int) -> int:
        return int(self._rng.integers(low, high + 1))

    def _chance(self, share: float) -> bool:
        return bool(self._rng.random() < share)

    def _channels(self) -> int:
        return int(self._rng.choice([self._int(1, 15), 16, self._int(17, 40)]))

    def _size(self, x: str) -> Pair:
        return self._b.shapes[x][1:]

    def _activated(self, x: str, share: float = 0.75) -> str:
        """Mostly a ReLU, sometimes a limited one, sometimes nothing."""
        if not self._chance(share):
            return x
        x = self._b.relu(x, float(self._rng.uniform(0.5, 3)) if self._chance(0.3) else None)
        self._positive.add(x)
        return x

    def _window(self, x: str, largest: int = 4) -> tuple[Pair, Pair, Padding]:
        """Kernel, stride and padding of at most the kernel less one, so that there are outputs."""
        kernel = tuple(min(self._int(1, largest), size) for size in self._size(x))
        before, behind = ([self._int(0, k - 1) if self._chance(0.6) else 0 for k in kernel] for _ in range(2))
        return (kernel[0], kernel[1]), (self._int(1, 2), self._int(1, 2)), (*before, *behind)

    def _convolution(self, x: str) -> str:
        kernel, stride, padding = self._window(x)
        inputs, outputs = self._b.shapes[x][0], self._channels()
        groups = int(np.gcd(inputs, outputs)) if self._chance(0.2) else 1
        spread = tuple(
            2 if size + padding[k] + padding[2 + k] >= 2 * kernel[k] - 1 and self._chance(0.2) else 1
            for k, size in enumerate(self._size(x))
        )
        return self._activated(self._b.conv(x, outputs, kernel, stride, padding, groups, (spread[0], spread[1])))

    def _depthwise(self, x: str) -> str:
        kernel, stride, padding = self._window(x, 3)
        channels = self._b.shapes[x][0]
        x = self._activated(self._b.conv(x, channels, kernel, stride, padding, groups=channels))
        return self._activated(self._b.conv(x, self._channels(), 1)) if self._chance(0.5) else x

    def _residual(self, x: str) -> str:
        """A sum with itself, a projection, or every second pixel beside zeros."""
        channels, stride = self._b.shapes[x][0], 1
        kind = self._int(0, 2)
        outputs = self._channels() if kind == 1 else channels + (self._int(1, 4) if kind == 2 else 0)
        if kind:
            stride = self._int(1, 2)
        y = self._activated(self._b.conv(x, outputs, 3, stride))
        if self._chance(0.4):
            y = self._b.conv(y, outputs, 3)
        match kind:
            case 0:
                skip = x
            case 1:
                skip = self._b.conv(x, outputs, 1, stride)
            case _:
                before = self._int(0, outputs - channels)
                skip = self._b.pad(self._b.average(x, 1, stride), channels=(before, outputs - channels - before))
        return self._activated(self._b.add(y, skip))

    def _fire(self, x: str) -> str:
        squeezed = self._activated(self._b.conv(x, self._int(2, 8), 1))
        parts = [self._activated(self._b.conv(squeezed, self._int(1, 20), kernel)) for kernel in (1, 3)]
        if self._chance(0.3):
            parts.append(x)
        return self._noted(self._b.concat(*parts), *parts)

    def _max_pool(self, x: str) -> str:
        kernel, stride, padding = self._window(x, 3)
        if x not in self._positive:
            padding = (0, 0, 0, 0)
        return self._noted(self._b.max_pool(x, kernel, stride, padding), x)

    def _average(self, x: str) -> str:
        kernel, stride, padding = self._window(x, 3)
        return self._noted(self._b.average(x, kernel, stride, padding, counted=self._chance(0.5)), x)

    def _normalised(self, x: str) -> str:
        return self._activated(self._b.affine(x))

    def _padded(self, x: str) -> str:
        """Explicit zeros, and then something that looks at them."""
        x = self._b.pad(x, (self._int(0, 1), self._int(0, 1), self._int(0, 2), 1), (self._int(0, 2), 0))
        return self._convolution(x)

    def _shuffled(self, x: str) -> str:
        channels = self._b.shapes[x][0]
        if channels % 2:
            return self._convolution(x)
        half = channels // 2
        chosen = self._b.select(x, *range(half, channels))
        y = self._b.concat(self._b.select(x, *range(half)), self._activated(self._b.conv(chosen, half, 1)))
        return self._b.shuffle(y, 2)

    def _linear(self, x: str) -> str:
        return self._activated(self._b.conv(x, self._channels(), self._size(x), 1, (0, 0, 0, 0)))

    def _noted(self, name: str, *sources: str) -> str:
        """`name`, which is never negative if its sources are not."""
        if self._positive.issuperset(sources):
            self._positive.add(name)
        return name

    def _last(self, x: str) -> None:
        classes = self._int(2, 20)
        match self._int(0, 3):
            case 0:
                x = self._b.conv(x, classes, self._size(x), 1, (0, 0, 0, 0))
            case 1:
                x = self._b.conv(self._b.average(x, self._size(x), 1), classes, 1)
            case 2:
                x = self._b.conv(self._b.max_pool(x, self._size(x), 1), classes, 1)
            case _:
                x = self._b.average(self._activated(self._b.conv(x, classes, 1)), self._size(x), 1)
        if self._chance(0.1):
            self._b.relu(x)
