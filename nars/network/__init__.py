"""nars.network."""
