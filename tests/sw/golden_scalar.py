"""A plain scalar reading of the numerics, slow and obvious: what the vectorised golden model is compared with."""

import numpy as np

from trispike.network import Kind, Layer, Mode


def scalar_tsa(z, bias, theta, phi, silent, mode):
    """Digits, last V and largest |V| of one neuron; `z` is a list of T integers."""
    potential, fired, digits, peak = bias, False, [], abs(bias)
    for t in range(len(z) + silent):
        potential = 2 * potential + (z[t] if t < len(z) else 0)
        peak = max(peak, abs(potential))
        if t < silent:
            continue
        digit = 0
        if potential >= phi:
            digit = 1
        elif potential <= -phi and (mode is Mode.SIGNED or fired):
            digit = -1
        fired = fired or digit == 1
        potential -= digit * theta
        peak = max(peak, abs(potential))
        digits.append(digit)
    return digits, potential, peak


def scalar_layer(layer: Layer, tensors):
    """Synaptic sums [T, C, H, W] and additions of one image; `tensors` maps names to trains [T, I, H, W].

    Additions are counted the way the array works: for every output pixel of every pooling window, for every spike that
    its window holds.
    """
    channels, rows, columns = layer.neurons
    steps = next(iter(tensors.values())).shape[0]
    z = np.zeros((steps, channels, rows, columns), object)
    additions = 0
    for y, x, times in _computed(layer):
        for segment in layer.segments:
            source = tensors[segment.source]
            for t, i, ky, kx in np.ndindex(steps, source.shape[1], *segment.kernel):
                sy = y * segment.stride[0] - segment.padding[0] + ky * segment.dilation[0]
                sx = x * segment.stride[1] - segment.padding[1] + kx * segment.dilation[1]
                if not (0 <= sy < source.shape[2] and 0 <= sx < source.shape[3]) or not source[t, i, sy, sx]:
                    continue
                digit = int(source[t, i, sy, sx])
                targets = range(channels) if segment.kind is Kind.BROADCAST else [i]
                for o in targets:
                    weight = segment.weights[(o, i, ky, kx) if segment.kind is Kind.BROADCAST else (o, ky, kx)]
                    z[t, o, y, x] += digit * int(weight)
                    additions += times
    return z, additions


def scalar_value(digits):
    """A of one train."""
    value = 0
    for digit in digits:
        value = 2 * value + int(digit)
    return value


def scalar_pool(trains, pool):
    """Max pooling of one image's trains [T, C, H, W]."""
    _, channels, rows, columns = trains.shape
    size = [(n - k) // s + 1 for n, k, s in zip((rows, columns), pool.kernel, pool.stride, strict=True)]
    out = np.zeros((trains.shape[0], channels, *size), np.int8)
    for c, y, x in np.ndindex(channels, *size):
        best = None
        for ky, kx in np.ndindex(*pool.kernel):
            train = trains[:, c, y * pool.stride[0] + ky, x * pool.stride[1] + kx]
            if best is None or scalar_value(train) > scalar_value(best):
                best = train
        out[:, c, y, x] = best
    return out


def _computed(layer: Layer):
    """Output pixels and how often the array computes each."""
    _, rows, columns = layer.neurons
    for y, x in np.ndindex(rows, columns):
        if layer.pool is None:
            yield y, x, 1
            continue
        windows = np.ndindex(layer.shape[1], layer.shape[2])
        (kernel_y, kernel_x), (stride_y, stride_x) = layer.pool.kernel, layer.pool.stride
        yield (
            y,
            x,
            sum(
                wy * stride_y <= y < wy * stride_y + kernel_y and wx * stride_x <= x < wx * stride_x + kernel_x
                for wy, wx in windows
            ),
        )
