"""What several tests of the command line need."""

import pytest

from trispike import cli
from trispike.examples import CALIBRATION_SET, MODEL


@pytest.fixture
def trispike(capsys, monkeypatch, tmp_path):
    """Runs one command line in an empty directory and returns (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> tuple[int, str, str]:
        code = cli.main([str(argument) for argument in arguments])
        return code, *capsys.readouterr()

    return run


@pytest.fixture(scope="session")
def digits_image(tmp_path_factory):
    """The bundled network, compiled for preset small; copy it to change it."""
    directory = tmp_path_factory.mktemp("image") / "digits"
    assert cli.main(["compile", str(MODEL), "-o", str(directory), "--calibrate", str(CALIBRATION_SET)]) == 0
    return directory
