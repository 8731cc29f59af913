"""nars.report."""
