"""The accelerator beside a processor: wrappers for the buses of systems on a chip."""

BUSES = ("stream", "axi", "wishbone")
"""Ports that a top module may have, by name; stream is the accelerator as it is."""
