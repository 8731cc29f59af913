"""nars.export."""
