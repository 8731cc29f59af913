"""nars.recipe."""
