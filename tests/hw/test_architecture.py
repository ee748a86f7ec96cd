"""Architectures: what one lane alone has, and which numbers of lanes and clusters there are."""

import pytest

from trispike_hw.architecture import build, preset
from trispike_hw.errors import ArchitectureError


def test_one_lane_has_two_banks_and_a_weight_memory():
    arch = preset("nano")
    assert arch.lone_lane and (arch.banks, arch.pairs, arch.cluster_pairs) == (2, 1, 1)
    small = preset("small")
    assert not small.lone_lane and (small.banks, small.pairs, small.cluster_pairs) == (4, 2, 2)


@pytest.mark.parametrize(
    ("lanes", "clusters", "text"),
    [
        (1, 2, "architecture: clusters must not exceed lanes = 1, but is 2"),
        (2, 2, "architecture: lanes / clusters must lie in 2..16, not 2 / 2 = 1"),
        (32, 1, "architecture: lanes / clusters must lie in 2..16, not 32 / 1 = 32"),
    ],
)
def test_clusters_have_two_lanes_unless_one_is_all(lanes, clusters, text):
    with pytest.raises(ArchitectureError) as caught:
        build(preset("small").model_dump() | {"lanes": lanes, "clusters": clusters})
    assert str(caught.value) == text
