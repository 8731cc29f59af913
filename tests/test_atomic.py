import json
import math

import pytest

from nars.files.atomic import replacing, write_bytes, write_json, write_text


def test_writes_create_the_folder_and_leave_nothing_else(tmp_path):
    write_bytes(tmp_path / "a" / "b.bin", b"\x00\x01")
    write_text(tmp_path / "a" / "t.txt", "é\n")
    write_json(tmp_path / "a" / "d.json", {"x": [1, 2.5, None, "ü"]})
    assert (tmp_path / "a" / "b.bin").read_bytes() == b"\x00\x01"
    assert (tmp_path / "a" / "t.txt").read_text(encoding="utf-8") == "é\n"
    assert json.loads((tmp_path / "a" / "d.json").read_text(encoding="utf-8")) == {"x": [1, 2.5, None, "ü"]}
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["b.bin", "d.json", "t.txt"]


def test_failure_keeps_the_old_content(tmp_path):
    path = tmp_path / "model.onnx"
    write_text(path, "old")

    def fail_half_way():
        with replacing(path) as temporary:
            assert temporary.suffix == ".onnx"
            assert temporary.parent == tmp_path
            temporary.write_text("ne", encoding="utf-8")
            raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        fail_half_way()
    assert path.read_text(encoding="utf-8") == "old"
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(path, {"accuracy": math.nan})
    assert [file.name for file in tmp_path.iterdir()] == ["model.onnx"]


def test_success_replaces(tmp_path):
    path = tmp_path / "plot.png"
    for content in ("first", "second"):
        with replacing(path) as temporary:
            temporary.write_text(content, encoding="utf-8")
        assert path.read_text(encoding="utf-8") == content
    assert [file.name for file in tmp_path.iterdir()] == ["plot.png"]
