"""nars.cli."""
