"""Costs as users compute them, right and wrong."""

import itertools

import numpy as np

_COUNT = itertools.count()


def of_layers(choices):
    units, layers = choices["units"], choices["layers"]
    params = 64 * units + (layers - 1) * units**2 + 10 * units + np.where(choices["bias"], layers * units + 10, 0)
    return {"params": params, "slow": layers * np.where(choices["act"] == "tanh", 2.5, 1.0)}


def timed(choices):
    """A cost of the name that questions to a run learn where a space has none."""
    return {"seconds": 2.0 * choices["units"] * choices["layers"]}


def deep(choices):
    """Of twelve columns of eight."""
    return {"depth": sum(values**2 for values in choices.values())}


def fails(choices):
    return {"params": choices["unit"]}


def nothing(choices):
    return None


def one_number(choices):
    return {"params": 3}


def words(choices):
    return {"params": choices["act"]}


def infinite(choices):
    return {"params": np.where(choices["layers"] == 1, np.inf, 1.0)}


def changing(choices):
    return {"params": choices["units"] * 0 + next(_COUNT)}


def by_place(choices):
    return {"params": np.arange(len(choices["units"]))}


def unnamed(choices):
    return {1: choices["units"]}


version = 3
