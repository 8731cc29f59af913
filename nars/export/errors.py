"""What can go wrong on the way out."""

from __future__ import annotations

from nars.errors import UserError


class ExportError(UserError):
    """A model cannot be exported or an exported one not be used; the message says why and how to fix it."""


class ParityError(ExportError):
    """An exported model does not compute what the original computes."""

    def __init__(self, what: str, difference: float, tolerance: float) -> None:
        super().__init__(
            f"{what} must agree with PyTorch to {tolerance:g} in every logit; the largest difference is "
            f"{difference:g}. Logits far apart usually come from weights that diverged: check the model's accuracy. "
            f"If it is fine, pass a larger tolerance."
        )
        self.difference = difference
        self.tolerance = tolerance
