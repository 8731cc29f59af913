"""What an export says of where its images are from."""

from pathlib import Path

import pytest

from nars.images import public_name


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("digits", "digits"),
        (f"imagefolder:{Path('own', 'photos').absolute()}", "imagefolder:photos"),
        ("imagefolder:../photos/", "imagefolder:photos"),
        ("imagefolder:own/labels.csv", "imagefolder:labels.csv"),
    ],
)
def test_no_path_is_told(name: str, said: str) -> None:
    assert public_name(name) == said
