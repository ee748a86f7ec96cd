"""Evaluation: other numbers of time steps from one network, and what is counted."""

import numpy as np
import pytest
from small_graphs import GRAPHS, images

from trispike.conversion import convert
from trispike.errors import ConversionError, InputError
from trispike.evaluation import answers_of, at_time_steps, evaluate
from trispike.float_reference import run
from trispike.golden import GoldenModel
from trispike_hw.architecture import preset


@pytest.fixture(scope="module")
def vgg():
    graph = GRAPHS["vgg"]()
    network, _ = convert(graph, preset("base"), calibration=images(graph, 64), time_steps=8, silent=3)
    return graph, network


def test_weights_and_biases_do_not_depend_on_the_time_steps(vgg):
    _, network = vgg
    shorter = at_time_steps(network, 2)
    for before, after in zip(network.layers, shorter.layers, strict=True):
        assert after.segments is before.segments and after.bias is before.bias
        assert after.silent == min(before.silent, 2)
        if before.silent > 2:
            np.testing.assert_allclose(after.theta * 2, before.theta, atol=1)
    assert at_time_steps(network, 8).layers == network.layers


@pytest.mark.parametrize("time_steps", [0, 9])
def test_longer_trains_were_not_proven_to_fit(vgg, time_steps):
    with pytest.raises(ConversionError) as error:
        at_time_steps(vgg[1], time_steps)
    assert str(error.value) == (
        f"network vgg is compiled for 8 time steps and can run with 1..8, not {time_steps}; compile it for more"
    )


def test_rows_are_those_of_the_golden_model(vgg):
    graph, network = vgg
    x = images(graph, 40, seed=4)
    wanted = run(graph, x)
    labels = wanted.argmax(1)
    calls = []
    rows = evaluate(network, x, labels, wanted, [4, 8], lambda done, total: calls.append((done, total)))
    assert [row.time_steps for row in rows] == [4, 8]
    assert rows[0].agreement < rows[1].agreement == rows[1].accuracy
    assert calls[-1] == (80, 80) and (40, 80) in calls
    result = GoldenModel(network).run(x)
    assert rows[1].spikes == pytest.approx(sum(spikes.sum() for spikes in result.spikes.values()) / 40)
    assert rows[1].additions == pytest.approx(sum(additions.sum() for additions in result.additions.values()) / 40)
    assert rows[1].mean_squared_error == pytest.approx(np.mean((result.logits - wanted) ** 2))


def test_relu_behind_the_logits_counts_as_an_answer(vgg):
    _, network = vgg
    logits = np.array([[-1.0, 0.5, 3.0]])
    assert answers_of(network, logits) is logits
    for notes, answers in (({}, [0, 0.5, 3]), ({"output_upper": "2.0"}, [0, 0.5, 2])):
        noted = type(network)(
            network.name, 8, network.input_shape, network.input_scale, network.layers,
            notes={"output_relu": "1", **notes},
        )  # fmt: skip
        np.testing.assert_array_equal(answers_of(noted, logits)[0], answers)


def test_answers_and_labels_must_fit(vgg):
    graph, network = vgg
    x = images(graph, 3)
    with pytest.raises(InputError, match=r"^labels must have shape \[3\], one per image, not \[2\]$"):
        evaluate(network, x, np.zeros(2, int), None, [8])
    with pytest.raises(InputError) as error:
        evaluate(network, x, None, np.zeros((3, 7)), [8])
    assert str(error.value) == (
        "the float network must answer [3, 4], not [3, 7]; give the model that the image was compiled from"
    )
