"""The ground floor: what can be chosen, what a choice costs. Knows nothing of the layers above."""

from nars.space.architecture import ACTIVATIONS, Architecture, Head, Stage, Stem

__all__ = ["ACTIVATIONS", "Architecture", "Head", "Stage", "Stem"]
