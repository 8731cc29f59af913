"""nars.stages."""
