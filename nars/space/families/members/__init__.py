"""Networks that a search has found and trained, as pretrained ones: whose weights, and at which resolution."""
