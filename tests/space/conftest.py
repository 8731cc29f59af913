"""Small spaces that can be listed in full; makes this folder's modules importable, in programs that tests start too."""

import sys
from pathlib import Path

import pytest

from nars.space import parse_document, read_space

sys.path.insert(0, str(Path(__file__).parent))

from small_spaces import SHARED, SMALL


@pytest.fixture(params=[SMALL, SHARED], ids=["small", "shared"])
def listed(request):
    return read_space(parse_document(request.param, source=f"{request.node.name}.yaml"))
