"""Families of networks: each says which settings a space file has, what a row costs and which network it is.

One sub-package per family; nothing outside of it knows its settings by name. Networks are built in `nars.network`.
"""
