"""The searches for the fewest time steps and silent steps: what is tried, what is taken, and their refusals."""

from types import SimpleNamespace

import numpy as np
import pytest
from small_graphs import GRAPHS, images

from trispike.conversion import fewest_silent_steps, fewest_time_steps, search
from trispike.errors import ConversionError, InputError
from trispike_hw.architecture import preset

ARCH = preset("base")


@pytest.fixture
def tried(monkeypatch):
    """Replaces the conversion by one whose agreement with T steps is agreements[T]; returns (agreements, tried T)."""
    agreements, steps = {}, []

    def convert(graph, arch, *, calibration, time_steps, silent, tau, progress):
        steps.append(time_steps)
        agreement = agreements.get(time_steps, 1.0)
        return f"net{time_steps}", SimpleNamespace(time_steps=time_steps, agreement=agreement, images=len(calibration))

    monkeypatch.setattr(search, "convert", convert)
    return agreements, steps


@pytest.fixture
def tried_silent(monkeypatch):
    """Replaces the conversion by one whose agreement with s silent steps is agreements[s], and which is impossible
    where that is missing; returns (agreements, tried s)."""
    agreements, steps = {}, []

    def convert(graph, arch, *, calibration, time_steps, silent, tau, progress):
        steps.append(silent)
        if silent not in agreements:
            raise ConversionError("too wide")
        return f"net{silent}", SimpleNamespace(agreement=agreements[silent], images=len(calibration))

    monkeypatch.setattr(search, "convert", convert)
    return agreements, steps


def silent_steps(images=100, **options):
    return fewest_silent_steps(None, ARCH, calibration=np.zeros((images, 1, 1, 1)), **options)[0]


@pytest.mark.parametrize(
    ("found", "taken", "steps"),
    [
        ([0.99], "net1", [1]),
        ([0.96, 0.99, 1.0], "net2", [1, 2]),
        ([0.96, 0.98, 0.985, 0.989, 1.0], "net4", [1, 2, 3, 4]),
        ([0.96, 0.98, 0.98, 1.0], "net2", [1, 2, 3]),
        ([0.96, 0.95, 1.0], "net1", [1, 2]),
        ([0.96, 0.97], "net2", [1, 2, 3]),
    ],
    ids=["enough", "two", "most", "no gain", "loss", "too wide"],
)
def test_silent_steps_as_long_as_they_are_needed_and_help(tried_silent, found, taken, steps):
    agreements, tried = tried_silent
    agreements.update(enumerate(found, start=1))
    assert (silent_steps(), tried) == (taken, steps)


def test_few_images_give_no_silent_steps(tried_silent):
    agreements, tried = tried_silent
    agreements.update({1: 0.9, 2: 1.0})
    assert (silent_steps(images=99), tried) == ("net1", [1])
    assert silent_steps(images=99, loss=0.02) == "net2"


def test_no_more_silent_steps_than_time_steps(tried_silent):
    agreements, tried = tried_silent
    agreements.update({1: 0.5, 2: 0.6, 3: 0.7})
    assert (silent_steps(time_steps=2), tried) == ("net2", [1, 2])


def test_silent_steps_are_searched_for_every_number_of_time_steps(tried_silent):
    agreements, tried = tried_silent
    agreements.update({1: 0.9, 2: 1.0})
    calibration = np.zeros((100, 1, 1, 1))
    assert fewest_time_steps(None, ARCH, loss=0.01, calibration=calibration)[0] == "net2"
    assert tried == [1, 2] * 7 + [1]


def fewest(loss, **options):
    return fewest_time_steps(None, ARCH, loss=loss, calibration=np.zeros((1, 1, 1, 1)), **options)


def test_goes_down_to_the_first_failure(tried):
    agreements, steps = tried
    agreements.update({8: 0.999, 7: 0.995, 6: 0.994, 5: 1.0})
    network, report = fewest(0.005)
    assert (network, report.time_steps, steps) == ("net7", 7, [8, 7, 6])


def test_goes_up_to_the_first_success(tried):
    agreements, steps = tried
    agreements.update({8: 0.9, 9: 0.95, 10: 0.98})
    assert fewest(0.01)[0] == "net11" and steps == [8, 9, 10, 11]


def test_trains_are_not_shorter_than_the_silent_steps(tried):
    _, steps = tried
    assert fewest(0.5, silent=4)[0] == "net4" and steps == [8, 7, 6, 5, 4]


def test_no_number_of_time_steps_is_enough(tried):
    agreements, _ = tried
    agreements.update(dict.fromkeys(range(1, 17), 0.9) | {12: 0.95})
    with pytest.raises(ConversionError) as error:
        fewest(0.01)
    assert str(error.value) == (
        "no number of time steps up to 16 answers like the float network on 99 % of the calibration images, "
        "the best being T = 12 with 95.0 %; allow more loss"
    )


@pytest.mark.parametrize("loss", [-0.1, 1.0])
def test_loss_is_a_share(loss):
    with pytest.raises(ConversionError) as error:
        fewest(loss)
    assert str(error.value) == (f"loss must lie in 0 <= loss < 1, not {loss}; 0.005 is half a percent of the images")


def test_images_are_needed():
    with pytest.raises(InputError) as error:
        fewest_time_steps(None, ARCH, loss=0.1, calibration=None)
    assert str(error.value) == ("choosing the time steps needs calibration images; give some, or give the time steps")


def test_of_a_real_network():
    graph = GRAPHS["projected"]()
    network, report = fewest_time_steps(graph, ARCH, loss=0.1, calibration=images(graph, 48))
    assert network.time_steps == report.time_steps < 8 and report.agreement >= 0.9
