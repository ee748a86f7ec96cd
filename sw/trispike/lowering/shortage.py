"""The one refusal of the lowering that has a way out: a memory or counter of the architecture is too small."""

from ..errors import PlacementError


class Shortage(PlacementError):
    """`subject` needs `needed` `unit`, the architecture has `available`; `field` of it decides.

    `lower` catches it and raises a `PlacementError` that adds which preset would do.
    """

    def __init__(self, subject: str, field: str, unit: str, needed: int, available: int) -> None:
        super().__init__(f"{subject} needs {needed} {unit}, but there are {available}")
        self.field = field
        self.needed = needed
