"""The recipe as training knows it; what its settings are, the space says, which offers them as choices."""

from __future__ import annotations

from functools import partial

from nars import errors
from nars.space import Recipe, RecipeError

__all__ = ["Recipe", "RecipeError", "require"]

require = partial(errors.require, RecipeError)
"""Refuse a setting of a recipe or of a training."""
