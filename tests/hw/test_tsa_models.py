"""The scalar models against known answers that somebody else computed."""

import json
from pathlib import Path

import pytest
from tsa_models import train

from trispike_hw.layout import Mode

VECTORS = Path(__file__).parents[3] / "shared" / "vectors.json"


def test_trains_match_the_known_answers() -> None:
    if not VECTORS.exists():
        pytest.skip("the known answers ../shared/vectors.json are not beside this repository")
    for case in json.loads(VECTORS.read_text())["tsa"]:
        digits = train(case["z"], case["s"], Mode[case["mode"].upper()], case["theta"], case["phi"], case["b"])
        assert digits == case["digits"], case
