"""Smaller forms of a trained network: what is pruned and quantised in each stage, searched and measured.

What may be chosen is a space, its rows are proposed by `nars.search`; how a network is pruned, trained and quantised is
below, in `nars.network`, `nars.train` and `nars.export`.
"""
