"""nars.predictors."""
