"""The file `manifest.jsonl`: what is read from it, and what is refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from folders import images, rows

from sivae_translate.errors import UsageError
from sivae_translate.inference.folder import translate_folder
from sivae_translate.inference.manifest import MANIFEST, open_manifest
from sivae_translate.inference.rows import sha256_of
from sivae_translate.inference.translator import Translator


@pytest.mark.parametrize("kept", [0, 1, 9, 10, 40, -1])
def test_an_input_whose_row_is_truncated_is_translated_again(translator: Translator, tmp_path: Path, kept: int) -> None:
    source, out = images(tmp_path / "in", "a.png", "b.png"), tmp_path / "out"
    translate_folder(translator, source, out, to=["car001"])
    first, last = (out / MANIFEST).read_text().splitlines()
    (out / MANIFEST).write_text(f"{first}\n{last[:kept]}")
    (out / "b.png").unlink()  # an output never comes before its row
    summary = translate_folder(translator, source, out, to=["car001"])
    assert (summary.written, summary.skipped, summary.failed) == (1, 1, 0)
    assert len(rows(out)) == 2


ROW = {"input": "/a.png", "target": "car001", "output": "a.png", "status": "ok", "reason": "", "job": "0"}
SHAPES = {
    "text": "mine\n",
    "no end": "mine",
    "number": "5\n",
    "list": "[]\n",
    "list of a row": json.dumps([ROW]) + "\n",
    "keys missing": '{"job": 1}\n',
    "one key, no end": '{"input": 1}',
    "not UTF-8": "\xff\n",
    "begins like a row": '{"input": 1}\n{"input": 2}\n',
    "numbers": json.dumps(ROW | {"status": 5}) + "\n",
    "null": json.dumps(ROW | {"output": None}) + "\n",
    "unhashable": json.dumps(ROW | {"input": ["/a.png"], "target": {}}) + "\n",
    "other key": json.dumps(ROW | {"mine": ""}) + "\n",
    "no file name": json.dumps(ROW | {"output": "\ud800"}) + "\n",
    "deeply nested": "[" * 100_000 + "\n",
    "a number of many digits": "1" * 10_000 + "\n",
    "blank line": "\n",
}


@pytest.mark.parametrize("text", SHAPES.values(), ids=SHAPES)
def test_a_foreign_manifest_is_an_error_and_left_unchanged(translator: Translator, tmp_path: Path, text: str) -> None:
    source, out = images(tmp_path / "in", "a.png"), tmp_path / "out"
    out.mkdir()
    (out / MANIFEST).write_bytes(text.encode("latin1"))
    with pytest.raises(UsageError, match=r"manifest\.jsonl.*--out"):
        translate_folder(translator, source, out, to=["car001"])
    assert (out / MANIFEST).read_bytes() == text.encode("latin1")


def test_a_row_names_any_file_in_ascii_and_is_read_again(translator: Translator, tmp_path: Path) -> None:
    names = ["caf\udce9.png", "\U0001f600.png", "two\nlines.png"]
    source, out = images(tmp_path / "in", *names), tmp_path / "out"
    assert translate_folder(translator, source, out, to="car001").written == 3
    assert (out / MANIFEST).read_bytes().isascii()
    assert {row["output"] for row in rows(out)} == set(names)
    assert translate_folder(translator, source, out, to="car001").skipped == 3


def test_a_row_is_found_under_another_encoding_of_file_names(tmp_path: Path) -> None:
    out, names = tmp_path / "out", ["caf\udce9.png", "\U0001f600.png"]
    for name in names:
        images(out, name)
    with open_manifest(out, "job") as manifest:
        for name in names:
            manifest.add(tmp_path / name, "car001", out / name, "1", sha256_of(out / name))
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    result = subprocess.run([sys.executable, "-c", FOUND, str(out)], env=environment, capture_output=True, text=True)
    assert result.stdout.split() == ["ascii", "True", "True"], result.stderr


FOUND = """
import sys
from pathlib import Path
from sivae_translate.inference.manifest import open_manifest
out = Path(sys.argv[1])
with open_manifest(out, "job") as manifest:
    found = [manifest.is_finished(path, "1", "car001", path) for path in out.glob("*.png")]
print(sys.getfilesystemencoding().replace("646", "ascii"), *found)
"""


def test_rows_of_an_earlier_version_prove_nothing_and_refuse_nothing(translator: Translator, tmp_path: Path) -> None:
    source, out = images(tmp_path / "in", "a.png", "b.png"), tmp_path / "out"
    out.mkdir()
    (out / "a.png").write_bytes(b"of the earlier version")
    lines = [json.dumps(ROW | {"input": str(source / name), "output": name}) for name in ("a.png", "b.png")]
    (out / MANIFEST).write_text("\n".join(lines) + "\n")
    summary = translate_folder(translator, source, out, to="car001")
    assert (summary.written, summary.failed) == (1, 1)
    assert (out / "a.png").read_bytes() == b"of the earlier version"


@pytest.mark.parametrize("output", ["../../x", "/etc/passwd", "a\0b", "x" * 5000, "."])
def test_a_manifest_may_name_any_file_and_none_is_harmed(translator: Translator, tmp_path: Path, output: str) -> None:
    source, out = images(tmp_path / "in", "a.png"), tmp_path / "out"
    translate_folder(translator, source, out, to="car001")
    (job,) = {row["job"] for row in rows(out)}
    row = ROW | {"output": output, "job": job, "input_sha256": "1", "output_sha256": "2"}
    with (out / MANIFEST).open("a") as file:
        file.write((json.dumps(row) + "\n") * 2)
    summary = translate_folder(translator, source, out, to="car001")
    assert (summary.written, summary.skipped, summary.failed) == (0, 1, 0)


def test_a_file_that_is_no_image_file_has_no_hash(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(1 << 40)  # takes no space, and would take an hour to read
    for name in ("empty", "huge", "missing", "."):
        assert sha256_of(tmp_path / name) == ""
