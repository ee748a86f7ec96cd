"""What several tests of the co-simulation need."""

from collections.abc import Callable

import pytest

from trispike.errors import ToolError
from trispike_sim.tools import find


@pytest.fixture(scope="session")
def engine() -> Callable[[str], str]:
    """Gives the name of a simulator back, or skips the test where it is not installed."""

    def installed(name: str) -> str:
        try:
            return find(name).engine
        except ToolError as error:
            pytest.skip(str(error))

    return installed


@pytest.fixture(scope="session")
def icarus(engine) -> str:
    return engine("icarus")


@pytest.fixture(scope="session")
def verilator(engine) -> str:
    return engine("verilator")
