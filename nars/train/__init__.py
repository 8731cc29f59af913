"""nars.train."""
