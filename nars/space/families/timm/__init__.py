"""Networks of the library timm: a name and a resolution, costs that are counted once, and weights to begin from."""
