"""Names of exported members, as `timm.create_model` takes them in a process of its own."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import timm
import torch

import nars
from nars.export import ExportError, load_member, timm_name, timm_names
from nars.space import shorten

_FRESH = """
import sys, timm, torch
import nars
names = [name for folder in sys.argv[2:] for name in nars.register(folder)]
images = torch.load(sys.argv[1], weights_only=True)
with torch.inference_mode():
    for name in names:
        print(name, *timm.create_model(name, pretrained=True).eval()(images)[0].tolist())
"""


def copied(member: Any, folder: Path, name: str) -> Path:
    """The member as if it had been exported under another name."""
    shutil.copytree(member.folder, folder)
    document = json.loads((folder / "config.json").read_text(encoding="utf-8")) | {"name": name}
    (folder / "config.json").write_text(json.dumps(document), encoding="utf-8")
    return folder


def test_every_member_of_a_family_is_created_in_a_fresh_process(of_digits: Any, tmp_path: Path) -> None:
    budgets = [shorten(b) for b in (5e4, 80e3, 102_400, 999_999, 1e6, 1.5e6, 25e6, 450e6, 999.9e6, 1e9, 1.25e9, 2e9)]
    families = ("digits", "My Photos", "Füchse", "2024 run", "a.b-c", "日本", "İstanbul", "ﬁne", "x" * 80)
    expected = {}
    for number, family in enumerate(families):
        for budget, name in timm_names(family, budgets).items():
            copied(of_digits, tmp_path / str(number) / "family" / budget, name)
            expected[name] = budget
    earlier = "nars_Grüße_50k"  # as versions before this one called members of such families
    copied(of_digits, tmp_path / "earlier", earlier)
    assert len(expected) == len(families) * len(budgets)
    assert all(name.isascii() and name.isidentifier() for name in expected)
    torch.save(images := torch.linspace(-1, 1, 144).view(1, 1, 12, 12), tmp_path / "images.pt")
    folders = [str(tmp_path / str(number)) for number in range(len(families))] + [str(tmp_path / "earlier")]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", _FRESH, str(tmp_path / "images.pt"), *folders],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        encoding="utf-8",
        env={"PYTHONPATH": str(Path(nars.__file__).parents[1]), "PATH": "", "PYTHONIOENCODING": "utf-8"},
    )
    assert done.returncode == 0, done.stderr
    found = {line.split()[0]: [float(value) for value in line.split()[1:]] for line in done.stdout.splitlines()}
    assert set(found) == {*expected, earlier}
    with torch.inference_mode():
        logits = load_member(of_digits.folder)(images)[0].tolist()
    assert all(values == logits for values in found.values())


@pytest.mark.parametrize(
    ("family", "name"),
    [
        ("digits", "nars_digits_1M"),
        ("My Photos", "nars_My_Photos_1M"),
        ("2024-photos.v2", "nars_2024_photos_v2_1M"),
        ("Füchse", "nars_Fuchse_1M"),
        ("Fu\u0308chse", "nars_Fuchse_1M"),  # as macOS spells it in file names
        ("日", "nars_u65e5_1M"),
        ("a/b:c", "nars_a_b_c_1M"),
    ],
)
def test_the_name(family: str, name: str) -> None:
    assert timm_name(family, "1M") == name


def test_members_that_would_have_one_name_are_numbered() -> None:
    assert timm_names("x", ["1.5M", "1_5M", "1-5M", "2M"]) == {
        "1.5M": "nars_x_1_5M",
        "1_5M": "nars_x_1_5M_2",
        "1-5M": "nars_x_1_5M_3",
        "2M": "nars_x_2M",
    }


def test_registering_twice_and_two_runs_of_one_name(of_digits: Any, tmp_path: Path) -> None:
    for run in ("one", "two"):
        for budget in ("1M", "1.5M"):
            copied(of_digits, tmp_path / run / "family" / budget, timm_name("twins", budget))
    changed = tmp_path / "two" / "family" / "1M"
    document = json.loads((changed / "config.json").read_text(encoding="utf-8"))
    document["pretrained_cfg"]["label_names"] = list("abcdefghij")
    (changed / "config.json").write_text(json.dumps(document), encoding="utf-8")
    names = ("nars_twins_1M", "nars_twins_1_5M")
    assert nars.register(tmp_path / "one") == names
    assert nars.register(tmp_path / "one" / "family") == names
    assert nars.register(tmp_path / "one" / "family" / "1M") == names[:1]
    with pytest.raises(ExportError, match=r"already registered with .*one.*nars\.register\('.*two', family=NAME\)"):
        nars.register(tmp_path / "two")
    # Nothing of the second has got in.
    assert timm.create_model(names[0], pretrained=True).pretrained_cfg["label_names"] == list("0123456789")
    assert nars.register(tmp_path / "two", family="Other one") == ("nars_Other_one_1M", "nars_Other_one_1_5M")
    assert timm.create_model("nars_Other_one_1M").pretrained_cfg["label_names"] == list("abcdefghij")
    with pytest.raises(ExportError, match=r"Two exported members are called nars_twins_1_?5?M"):
        nars.register(tmp_path)
    shutil.move(tmp_path / "one", tmp_path / "moved")  # where it was, nothing is left to be confused with
    assert nars.register(tmp_path / "moved") == names
    assert timm.create_model(names[0], pretrained=True).num_classes == 10
