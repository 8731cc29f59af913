"""What a training has learned about augmentation: a distribution over its settings, in a file that others train by."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Generator

from nars.arrays import Floats, Ints
from nars.files import Value
from nars.files.atomic import machine_at_fault, write_json
from nars.recipe.recipe import Recipe, RecipeError, require
from nars.space import RECIPE_SAYS, recipe_in

POLICY_FILE = "policy.json"
"""In the folder of a training that has learned one, or has drawn from it."""

AUGMENTATION = tuple(name for name, says in RECIPE_SAYS.items() if says.purpose == "augmentation")
"""The settings of a recipe that say how images are varied."""

Choices = Mapping[str, tuple[Value, ...]]
"""What each setting of augmentation may be, by name."""

_ROUNDING = 1e-6
"""What the probabilities of a file may miss 1 by."""


@dataclass(frozen=True, kw_only=True)
class LearnedPolicy:
    """A distribution over settings of augmentation, each drawn by itself."""

    choices: Choices
    probabilities: Mapping[str, tuple[float, ...]]
    """Of each choice; those of a setting sum to 1."""
    updates: int
    """How often it was updated, >= 0."""

    def __post_init__(self) -> None:
        checked_choices(self.choices)
        both = self.choices.keys() == self.probabilities.keys()
        require(both, "probabilities", f"those of {', '.join(self.choices)}", list(self.probabilities))
        for name, shares in self.probabilities.items():
            what, count = f"probabilities of {name}", len(self.choices[name])
            require(len(shares) == count, what, f"{count}, one for each choice", len(shares))
            numbers = all(isinstance(share, (int, float)) and 0.0 <= share <= 1.0 for share in shares)
            require(numbers and abs(sum(shares) - 1.0) < _ROUNDING, what, "between 0 and 1 with the sum 1", shares)

    @property
    def most_likely(self) -> dict[str, Value]:
        """The likeliest choice of each setting, those apart that nothing reads then."""
        return read_by(
            {name: values[int(np.argmax(self.probabilities[name]))] for name, values in self.choices.items()}
        )

    def draw(self, rng: Generator) -> dict[str, Value]:
        """One choice of each setting."""
        shares = [np.array(self.probabilities[name]) for name in self.choices]
        row = draw_rows(shares, rng.random((1, len(shares))))[0]
        return {name: values[place] for (name, values), place in zip(self.choices.items(), row, strict=True)}

    def described(self) -> dict[str, Any]:
        """As plain values."""
        return {
            name: {"choices": list(values), "probabilities": list(self.probabilities[name])}
            for name, values in self.choices.items()
        }

    def save(self, path: Path, recipe: Recipe) -> None:
        """Write it with the whole recipe that it belongs to, at the likeliest choices; `read_policy` reads it back."""
        likeliest = replace(recipe, **self.most_likely)  # type: ignore[arg-type]  # checked by Recipe
        write_json(
            path,
            {
                "settings": self.described(),
                "updates": self.updates,
                "most_likely": self.most_likely,
                "recipe": likeliest.to_dict(),
            },
        )


def read_policy(path: str | Path) -> LearnedPolicy:
    """A distribution that a training has saved.

    Raises:
        RecipeError: there is none in the file, or something in it cannot be.
    """
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
        settings = document["settings"].items()
        return LearnedPolicy(
            choices={name: tuple(said["choices"]) for name, said in settings},
            probabilities={name: tuple(said["probabilities"]) for name, said in settings},
            updates=int(document["updates"]),
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        if machine_at_fault(error):
            raise
        why = str(error)
        if isinstance(error, FileNotFoundError):
            why = "there is no such file"
        elif isinstance(error, (TypeError, KeyError, AttributeError)):
            why = "it lacks updates, or settings that each have choices and probabilities"
        raise RecipeError(
            f"{path} must hold a learned augmentation policy: {why}. Name the {POLICY_FILE} that a training with "
            f"final.policy: online has left, as it was"
        ) from error


def likeliest_recipe(path: Path) -> dict[str, Any]:
    """The whole recipe that lies with a distribution, at its likeliest choices, as plain values.

    Raises:
        RecipeError: the file holds none.
    """
    read_policy(path)
    recipe = json.loads(path.read_text(encoding="utf-8")).get("recipe", {})
    return Recipe.from_dict(recipe).to_dict()


def checked_choices(choices: Choices) -> None:
    """Refuse choices that no recipe has.

    Raises:
        RecipeError: an unknown setting, no choice or one twice, or a value that the setting cannot have.
    """
    require(bool(choices), "the settings", f"at least one of {', '.join(AUGMENTATION)}", "none")
    for name, values in choices.items():
        require(name in AUGMENTATION, "a setting of augmentation", f"one of {', '.join(AUGMENTATION)}", name)
        for value in values:
            RECIPE_SAYS[name].checked(name, value)
        distinct = bool(values) and len(set(values)) == len(values)
        require(distinct, f"choices of {name}", "one or more, each once", list(values))


def read_by(setting: Mapping[str, Value]) -> dict[str, Value]:
    """The settings without those that nothing reads in them: a magnitude where nothing is RandAugment."""
    return recipe_in({f"recipe.{name}": value for name, value in setting.items()})


def draw_rows(probabilities: Sequence[Floats], uniform: Floats) -> Ints:
    """Choices of D settings with these probabilities, for numbers (N, D) uniform in [0, 1): (N, D)."""
    ends = [np.cumsum(shares) for shares in probabilities]
    places = [np.searchsorted(end, u * end[-1], side="right") for end, u in zip(ends, uniform.T, strict=True)]
    return np.stack(places, axis=1).astype(np.int64)


def likely(policy: LearnedPolicy) -> str:
    """The likeliest choices in words, with their probabilities."""
    parts = []
    for name, value in policy.most_likely.items():
        share = max(policy.probabilities[name])
        parts.append(f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}")
        parts[-1] += f" ({math.floor(100 * share + 0.5)} %)"
    return ", ".join(parts)
