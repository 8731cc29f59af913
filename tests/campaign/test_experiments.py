"""The claims' experiments at their smallest: each goes on where it stopped, and what comes out is what was put in."""

import importlib
import itertools
from pathlib import Path

import numpy as np
import pytest
from made_up_pairs import accuracy, make

from nars.store import SampleStore

SCRIPTS = Path(__file__).parents[2] / "scripts"


@pytest.fixture(scope="module", autouse=True)
def scripts():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(SCRIPTS))
        yield
