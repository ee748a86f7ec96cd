"""The co-simulation as seen from the host side: there when its packages are."""

from typing import TYPE_CHECKING, Any

import numpy as np

from .book import Book
from .errors import ToolError
from .program import Program

if TYPE_CHECKING:
    from trispike_sim.report import SimulationReport


def simulate(program: Program | Book, x: np.ndarray, **options: Any) -> "SimulationReport":
    """Run images `x`, real [N, C, H, W], on the RTL; `options` are those of `trispike_sim.simulate.simulate`.

    Raises:
        ToolError: if cocotb is not installed, there is no simulator, or it fails.
        InputError, DeviceError, OutputError: as the co-simulation says.
    """
    try:
        from trispike_sim.simulate import simulate as cosimulate
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("cocotb"):
            raise
        raise ToolError("simulating the RTL needs the cocotb package; install trispike[sim]") from error
    return cosimulate(program, x, **options)
