"""The fewest time steps, and the fewest silent steps, with which a network still answers like the float one."""

import numpy as np

from trispike_hw.architecture import Architecture

from ..errors import ConversionError, InputError
from ..graph import Graph
from ..network import Network
from ..progress import StageProgress, unwatched
from .convert import convert
from .report import ConversionReport

FIRST_TIME_STEPS = 8
MOST_SILENT = 4  #: silent steps of a network that is not told how many
SILENT_LOSS = 0.01  #: share of the images whose first choice may change before a network gets more silent steps


def fewest_silent_steps(
    graph: Graph,
    arch: Architecture,
    *,
    calibration: np.ndarray | None,
    time_steps: int = FIRST_TIME_STEPS,
    tau: float = 2 / 3,
    loss: float = SILENT_LOSS,
    progress: StageProgress = unwatched,
) -> tuple[Network, ConversionReport]:
    """`convert` with the smallest s >= 1 for which the first choice differs on at most the share `loss` of the images.

    Silent steps cost neuron updates, which layers with few spikes wait for, so that a network gets them only where it
    answers wrongly without; and only as long as each makes it better: some networks need more time steps. With images
    of which one alone is more than `loss`, s stays 1: they say too little. So it does without images.

    Raises:
        InputError: as `convert`.
        ConversionError: as `convert` with s = 1; more silent steps that need wider potentials than there are, are left.
    """

    def attempt(silent: int) -> tuple[Network, ConversionReport]:
        return convert(
            graph, arch, calibration=calibration, time_steps=time_steps, silent=silent, tau=tau, progress=progress
        )

    best = attempt(1)
    if calibration is None or best[1].images * loss < 1:
        return best
    for silent in range(2, min(MOST_SILENT, time_steps) + 1):
        if best[1].agreement >= 1 - loss:
            break
        try:
            found = attempt(silent)
        except ConversionError:
            break
        if found[1].agreement <= best[1].agreement:
            break
        best = found
    return best


def fewest_time_steps(
    graph: Graph,
    arch: Architecture,
    *,
    loss: float,
    calibration: np.ndarray | None,
    silent: int | None = None,
    tau: float = 2 / 3,
    progress: StageProgress = unwatched,
) -> tuple[Network, ConversionReport]:
    """`convert` with the smallest T for which the first choice differs on at most the share `loss` of the images.

    `silent` is s; without it every T is tried with as many silent steps as `fewest_silent_steps` finds.

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
        if silent is None:
            return fewest_silent_steps(
                graph, arch, calibration=calibration, time_steps=time_steps, tau=tau, loss=loss, progress=progress
            )
        return convert(
            graph, arch, calibration=calibration, time_steps=time_steps, silent=silent, tau=tau, progress=progress
        )

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
