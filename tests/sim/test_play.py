"""Progress of a simulation, read off the files that it leaves while it runs."""

from types import SimpleNamespace

import pytest

from trispike_sim import play
from trispike_sim.script import LAYERS, Record


@pytest.mark.parametrize(
    ("records", "begun", "done"),
    [
        (0, 0, 0),  # nothing is loaded
        (1, 0, 0),
        (1, 1, 0),  # the first layer is running
        (1, 3, 0.5),
        (2, 3, 1),  # image 0 is done, image 1 has not begun
        (2, 5, 1.25),
        (3, 6, 2),
        (2, 9, 1.75),  # more layers than there are in an image: the image does not count as done
    ],
)
def test_layers_are_fractions_of_images(tmp_path, records, begun, done):
    """Three layers store spikes, the fourth answers."""
    for phase in range(records):
        Record(phase, 0, 0, 0, 0, 0).append(tmp_path)
    (tmp_path / LAYERS).write_text("00000001\n" * begun)
    script = SimpleNamespace(storing=3, runs_per_image=1)
    assert play._done(tmp_path, script) == done
