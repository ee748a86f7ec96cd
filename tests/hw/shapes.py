"""Architectures that tests share and that are no preset."""

from trispike_hw.architecture import build, preset

#: The smallest array with all that several lanes have: they share a weight memory, and turns are passes.
PAIR = build(
    preset("small").model_dump()
    | {"name": "pair", "lanes": 2, "tsa_width": 4, "spike_words": 4096, "weight_rows": 512, "constant_tiles": 64}
)
