"""The golden model: a spiking network computed layer by layer, in bounded memory, exact to the bit."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits

from ..inputs import checked_images
from ..network import INPUT, Layer, Network
from .additions import count_additions, fan_out, spikes_per_pixel
from .checks import check_network
from .coding import digits_of, encode_input
from .neuron import logit_integers, tsa
from .pooling import max_pool
from .synapses import Synapses

#: Bytes that the synaptic sums of a chunk of images may take; small enough to stay near the processor's caches.
_CHUNK_BYTES = 1 << 24

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Result:
    """What a run computed for N images.

    `integers` int64 [N, classes] is S of numerics section 4, exact. `logits` float64 [N, classes] is u * S / 2^T.
    `trains` int8 [N, T, C, H, W] by tensor name, network input included, if they were asked for; a layer with pooling
    has its trains before pooling under "<name>/neurons" too. `spikes` int64 [N] by tensor name counts the spikes of the
    tensor as stored (after pooling). `additions` int64 [N] by layer name counts the synaptic additions that the array
    makes. `clipped` is the number of input values outside the range of the code.
    """

    integers: np.ndarray
    logits: np.ndarray
    trains: dict[str, np.ndarray]
    spikes: dict[str, np.ndarray]
    additions: dict[str, np.ndarray]
    clipped: int


class GoldenModel:
    """Computes `network` on images.

    Raises:
        ConversionError: if the network is inconsistent (see `checks`).
    """

    def __init__(self, network: Network) -> None:
        check_network(network)
        self._network = network
        self._fan_outs = {
            layer.name: tuple(fan_out(s, layer, network.shape_of(s.source)[1:]) for s in layer.segments)
            for layer in network.layers
        }
        self._synapses = {layer.name: Synapses(layer.segments, layer.neurons) for layer in network.layers}
        self._last_use = {s.source: layer.name for layer in network.layers for s in layer.segments}
        self._chunk = max(1, _CHUNK_BYTES // max(self._bytes_per_image(layer) for layer in network.layers))

    @property
    def network(self) -> Network:
        """The network that is computed."""
        return self._network

    def run(self, x: np.ndarray, *, keep_trains: bool = False, progress: Progress | None = None) -> Result:
        """Compute images `x`, real or integer [N, C, H, W], as the network's preprocessing leaves them.

        `keep_trains` keeps every train, which for many images takes much memory. `progress` is called with the images
        done and the images in all after every chunk.

        Raises:
            InputError: if `x` has another shape, is not numeric, or holds values that are not finite.
            ConversionError: if weights or potentials are too large to compute exactly.
        """
        x = checked_images(x, self._network.input_shape, f"images for {self._network.name}")
        parts = []
        chunks = (x[start : start + self._chunk] for start in range(0, len(x), self._chunk))
        for part in _in_threads(lambda chunk: self._run_chunk(chunk, keep_trains), chunks):
            parts.append(part)
            if progress is not None:
                progress(sum(len(done.integers) for done in parts), len(x))
        return Result(
            integers=np.concatenate([part.integers for part in parts]),
            logits=np.concatenate([part.logits for part in parts]),
            trains={name: np.concatenate([part.trains[name] for part in parts]) for name in parts[0].trains},
            spikes={name: np.concatenate([part.spikes[name] for part in parts]) for name in parts[0].spikes},
            additions={name: np.concatenate([part.additions[name] for part in parts]) for name in parts[0].additions},
            clipped=sum(part.clipped for part in parts),
        )

    def _run_chunk(self, x: np.ndarray, keep_trains: bool) -> Result:
        network = self._network
        integers, clipped = encode_input(network, x)
        live = {INPUT: digits_of(integers, network.time_steps)}
        trains = dict(live) if keep_trains else {}
        spikes = {INPUT: spikes_per_pixel(live[INPUT])}
        additions = {}
        for layer in network.layers[:-1]:
            additions[layer.name] = count_additions(layer, self._fan_outs[layer.name], spikes, live)
            fired = self._fire(layer, live)
            live[layer.name] = max_pool(fired, layer.pool) if layer.pool else fired
            spikes[layer.name] = spikes_per_pixel(live[layer.name])
            if keep_trains:
                trains[layer.name] = live[layer.name]
                if layer.pool:
                    trains[f"{layer.name}/neurons"] = fired
            self._release(layer, live)
        last = network.layers[-1]
        additions[last.name] = count_additions(last, self._fan_outs[last.name], spikes, live)
        answer = logit_integers(self._synapses[last.name].integrate(live), last.bias).reshape(len(x), -1)
        counts = {name: pixels.sum(axis=(1, 2)) for name, pixels in spikes.items()}
        return Result(answer, self._logits(answer), trains, counts, additions, clipped)

    def _fire(self, layer: Layer, live: dict[str, np.ndarray]) -> np.ndarray:
        z = self._synapses[layer.name].integrate(live)
        return tsa(z, layer.bias, layer.theta, layer.phi, layer.silent, layer.mode)

    def _release(self, layer: Layer, live: dict[str, np.ndarray]) -> None:
        """Forget the tensors that no layer after this one reads."""
        for name in {segment.source for segment in layer.segments}:
            if self._last_use[name] == layer.name:
                del live[name]

    def _logits(self, integers: np.ndarray) -> np.ndarray:
        return integers * self._network.layers[-1].unit / (1 << self._network.time_steps)

    def _bytes_per_image(self, layer: Layer) -> int:
        """Size of the layer's synaptic sums for one image."""
        return 4 * self._network.time_steps * int(np.prod(layer.neurons))


def _in_threads(work: Callable[[np.ndarray], Result], chunks: Iterable[np.ndarray]) -> Iterator[Result]:
    """`work` on every chunk, in order: as many at a time as BLAS has threads, each with one thread of BLAS.

    Matrix products of this size gain little from several threads, and everything else has only one.
    """
    threads = max((pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"), default=1)
    waiting: deque[Future[Result]] = deque()
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(threads) as executor:
        for chunk in chunks:
            waiting.append(executor.submit(work, chunk))
            if len(waiting) > threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
