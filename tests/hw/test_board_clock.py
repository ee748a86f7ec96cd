"""The clock of a board: divisors that make it within the PLL's limits, and a sentence where there are none."""

import pytest

from trispike_hw.board.clock import PllSettings, pll_settings
from trispike_hw.board.xilinx_clock import Plle2Settings


@pytest.mark.parametrize(("board", "mhz"), [(25, 40), (25, 50), (25, 62.5), (25, 80), (25, 99.9), (48, 40), (100, 150)])
def test_settings_are_within_the_limits_and_near(board, mhz):
    found = PllSettings.of(board, mhz)
    assert found.mhz == pytest.approx(mhz, rel=0.005)
    assert found.mhz == pytest.approx(board * found.feedback / found.reference)
    assert board / found.reference >= 3.125
    assert 400 <= found.mhz * found.output <= 800
    assert max(found.reference, found.feedback, found.output) <= 80


@pytest.mark.parametrize(("board", "mhz"), [(100, 50), (125, 50), (100, 99.9), (125, 80), (100, 12)])
def test_settings_of_xilinx_are_within_the_limits_and_near(board, mhz):
    found = Plle2Settings.of(board, mhz)
    oscillator = board / found.reference * found.feedback
    assert found.mhz == pytest.approx(mhz, rel=0.005) and found.mhz == pytest.approx(oscillator / found.output)
    assert board / found.reference >= 19 and 800 <= oscillator <= 1600
    assert found.reference <= 56 and 2 <= found.feedback <= 64 and found.output <= 128


@pytest.mark.parametrize("settings", [PllSettings, Plle2Settings])
def test_a_clock_that_cannot_be_made_is_refused(settings):
    with pytest.raises(ValueError) as raised:
        settings.of(25, 2000)
    assert str(raised.value) == ("no setting of the PLL makes 2000 MHz of the board's 25 MHz; choose one near it")


class Platform:
    """As much of a platform as matters here."""

    default_clk_frequency = 12e6
    device = "iCE40UP5K"


def test_a_board_without_our_pll_keeps_its_clock():
    assert pll_settings(Platform(), 12.0) is None
    with pytest.raises(ValueError, match="the clock of this board is 12 MHz and cannot be changed to 24 MHz"):
        pll_settings(Platform(), 24.0)
