"""Errors of the architecture description and the RTL."""


class TrispikeError(Exception):
    """Base of every error that a user can cause; its text is one complete sentence."""


class ArchitectureError(TrispikeError):
    """An architecture description is missing, malformed or out of range."""
