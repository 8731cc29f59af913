"""nars.search."""
