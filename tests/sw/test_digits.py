"""The bundled network: its accuracy bars, as a float network and as a spiking one, and where it fits."""

import numpy as np
import pytest

from trispike import api
from trispike.device import open_device
from trispike.examples import CALIBRATION_SET, MODEL, load_digits
from trispike_hw.architecture import PRESETS

FLOAT_BAR = 0.98


def accuracy(scores: np.ndarray, labels: np.ndarray) -> float:
    return float(np.mean(scores.argmax(axis=1) == labels))


@pytest.fixture(scope="module")
def float_accuracy() -> float:
    """By ONNX Runtime, which shares no code with the importer."""
    runtime = pytest.importorskip("onnxruntime")
    digits = load_digits()
    (logits,) = runtime.InferenceSession(MODEL).run(None, {"input": digits.x})
    return accuracy(logits, digits.labels)


def test_float_accuracy(float_accuracy):
    assert float_accuracy >= FLOAT_BAR


@pytest.mark.parametrize(("time_steps", "largest_loss"), [(8, 0.003), (6, 0.007)])
def test_spiking_accuracy(float_accuracy, time_steps, largest_loss):
    program = api.compile(MODEL, "small", calibration=load_digits(CALIBRATION_SET).x, time_steps=time_steps)
    digits = load_digits()
    answers = open_device("golden").run(program, digits.x)
    assert accuracy(answers.integers, digits.labels) >= float_accuracy - largest_loss


@pytest.mark.parametrize("name", PRESETS)
def test_fits_every_preset(name):
    assert api.compile(MODEL, name, calibration=load_digits(CALIBRATION_SET).x[:16]).arch is PRESETS[name]


def test_held_out_images_are_preprocessed_and_not_among_the_training_images():
    test, calibration = load_digits(), load_digits(CALIBRATION_SET)
    for digits in (test, calibration):
        assert digits.x.dtype == np.float32 and digits.x.shape[1:] == (1, 8, 8)
        assert digits.x.min() == 0 and digits.x.max() == 1
    assert set(test.labels) == set(range(10))
    seen = {image.tobytes() for image in calibration.x}
    assert not any(image.tobytes() in seen for image in test.x)


def test_test_set_is_the_held_out_part_of_the_split():
    pytest.importorskip("sklearn")
    pytest.importorskip("torch")
    from trispike.examples.train_digits import split

    x_train, x_test, _, labels = split()
    np.testing.assert_array_equal(load_digits().x, x_test)
    np.testing.assert_array_equal(load_digits().labels, labels)
    trained_on = {image.tobytes() for image in x_train}
    assert not any(image.tobytes() in trained_on for image in x_test)
