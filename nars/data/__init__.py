"""nars.data."""
