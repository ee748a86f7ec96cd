"""The demonstration of `make sim`: bit-exact, and not blind to a single wrong bit."""

from dataclasses import replace

import numpy as np
import pytest

from trispike.examples.demo import compile_digits, demonstrate, main

# One worker runs all tests on the Verilator model of preset small, which takes long to build.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("preset small")]


@pytest.fixture(scope="module")
def program():
    return compile_digits()


def test_is_bit_exact(verilator, program, capsys):
    assert demonstrate(program, images=2, engine=verilator)
    out = capsys.readouterr().out
    assert "bit-exact: all trains and integers of 2 images equal the golden model's" in out
    assert "2 of 2 right" in out


def test_fails_for_one_flipped_weight_bit(icarus, capsys):
    """One bit of one weight, in the memory of one lane pair; the golden model keeps the network's weights."""
    program = compile_digits("nano")
    flipped = [rows.copy() for rows in program.weights]
    row = np.flatnonzero(np.any(flipped[0] != 0, axis=1))[0]
    flipped[0][row, 0] ^= 64
    assert not demonstrate(replace(program, weights=tuple(flipped)), images=1, engine=icarus)
    assert "not bit-exact" in capsys.readouterr().out


def test_exit_code_follows_the_verdict(monkeypatch):
    for verdict, code in ((True, 0), (False, 1)):
        monkeypatch.setattr("sys.argv", ["demo"])
        monkeypatch.setattr("trispike.examples.demo.demonstrate", lambda *_, verdict=verdict: verdict)
        assert main() == code
