"""nars.evaluate."""
