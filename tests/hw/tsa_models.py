"""Scalar readings of numerics.md, sections 3 and 4, that the south edge of the array is tested against."""

from collections.abc import Sequence

from trispike_hw.layout import Mode


def neuron_step(
    v: int, z: int, theta: int, phi: int, fired: bool, fires: bool, two_sided: bool
) -> tuple[int, bool, int]:
    """V, fired and the digit after one step."""
    v = 2 * v + z
    y = 0
    if fires and v >= phi:
        y = 1
    elif fires and v <= -phi and (two_sided or fired):
        y = -1
    return v - y * theta, fired or y == 1, y


def train(z: Sequence[int], silent: int, mode: Mode, theta: int, phi: int, bias: int) -> list[int]:
    """Output digits of one neuron."""
    if mode == Mode.PASS:
        return [(x > 0) - (x < 0) for x in z]
    v, fired, digits = bias, False, []
    for t in range(len(z) + silent):
        v, fired, y = neuron_step(v, z[t] if t < len(z) else 0, theta, phi, fired, t >= silent, mode == Mode.SIGNED)
        if t >= silent:
            digits.append(y)
    return digits


def logit(z: Sequence[int], bias: int) -> int:
    """Exact integer of the last layer."""
    return sum(x << (len(z) - 1 - t) for t, x in enumerate(z)) + (bias << len(z))


def value(digits: Sequence[int]) -> int:
    """A of a train."""
    return sum(d << (len(digits) - 1 - t) for t, d in enumerate(digits))


def largest(trains: Sequence[list[int]]) -> list[int]:
    """The train with the largest A, the first of equals."""
    return max(trains, key=value)


def planes(digits: Sequence[int]) -> tuple[int, int]:
    """One digit of each channel as bit planes pos and neg."""
    return (
        sum(1 << c for c, d in enumerate(digits) if d > 0),
        sum(1 << c for c, d in enumerate(digits) if d < 0),
    )
