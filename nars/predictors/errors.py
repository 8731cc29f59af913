"""What goes wrong with a predictor that a user can put right."""


class PredictorError(ValueError):
    """Samples, settings or a saved predictor that do not fit; the text says the rule, what was found, and the fix."""
