"""The fewest time steps with which a network still answers like the float one."""

import numpy as np

from trispike_hw.architecture import Architecture

from ..errors import ConversionError, InputError
from ..graph import Graph
from ..network import Network
from .convert import convert
from .report import ConversionReport

FIRST_TIME_STEPS = 8


def fewest_time_steps(
    graph: Graph,
    arch: Architecture,
    *,
    loss: float,
    calibration: np.ndarray | None,
    silent: int | None = None,
    tau: float = 2 / 3,
) -> tuple[Network, ConversionReport]:
    """`convert` with the smallest T for which the first choice differs on at most the share `loss` of the images.

    Accuracy grows with T but for a few images, so the search goes from T = 8 down to the first failure, or up from
    there to the first success.

    Raises:
        InputError: if there are no calibration images.
        ConversionError: if `loss` is no share, no T is good enough, or the network cannot be converted.
    """
    if calibration is None:
        raise InputError("choosing the time steps needs calibration images; give some, or give the time steps")
    if not 0 <= loss < 1:
        raise ConversionError(f"loss must lie in 0 <= loss < 1, not {loss}; 0.005 is half a percent of the images")
    most = arch.max_time_steps
    first = min(FIRST_TIME_STEPS, most)

    def attempt(time_steps: int) -> tuple[Network, ConversionReport]:
        return convert(graph, arch, calibration=calibration, time_steps=time_steps, silent=silent, tau=tau)

    found = attempt(first)
    if found[1].agreement >= 1 - loss:
        for time_steps in range(first - 1, max(silent or 1, 1) - 1, -1):
            fewer = attempt(time_steps)
            if fewer[1].agreement < 1 - loss:
                break
            found = fewer
        return found
    best = found[1]
    for time_steps in range(first + 1, most + 1):
        found = attempt(time_steps)
        if found[1].agreement >= 1 - loss:
            return found
        best = max(best, found[1], key=lambda report: report.agreement)
    raise ConversionError(
        f"no number of time steps up to {most} answers like the float network on {100 * (1 - loss):g} % of the "
        f"calibration images, the best being T = {best.time_steps} with {100 * best.agreement:.1f} %; allow more loss"
    )
