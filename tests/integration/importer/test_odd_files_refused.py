"""Files nobody prepared for, of which nothing can be sent: the reason is told beforehand, with what to do about it."""

from __future__ import annotations

import gzip
import io
import os
import zipfile
from pathlib import Path

import pytest

from baton.importer import files, mapping, plans
from baton.importer.faults import MappingError

MAPPING = """
[source]
code = "shop"
name = "Shop"
time_zone = "UTC"
[files.leads]
columns = ["id", "day"]
[[feeds]]
entity = "lead"
file = "leads"
external_id = "id"
fields = { occurred_at = "day" }
labels = { note = "note" }
"""
BY_NAME = MAPPING.replace('columns = ["id", "day"]', 'name = "*.csv"')
TEXT = "id,day,note\n1,2018-01-02,Côte d'Ivoire\n2,2018-01-03,čaj 茶\n"


def written(folder: Path, content: bytes) -> Path:
    path = folder / "a.csv"
    path.write_bytes(content)
    return path


def refusal(path: Path, text: str = BY_NAME) -> str:
    """Why that file is refused before anything is sent."""
    with pytest.raises(MappingError) as caught:
        plans.make(mapping.parse(text.encode(), "m.toml"), "m.toml", [path])
    return str(caught.value)


def zipped() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.csv", TEXT)
    return packed.getvalue()


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "it is empty, without even a header"),
        (gzip.compress(TEXT.encode()), "it is compressed (gzip): unpack it first"),
        (zipped(), "it is a zip archive or a spreadsheet: unpack it, or save the sheet as CSV"),
        (
            "id,day,note\n1,2018-01-02,x\n2,2018-01-02,Côte\n".encode("latin-1"),
            'line 3 is not utf-8: name the encoding in the mapping, e.g. encoding = "latin-1" (byte 42 of the file)',
        ),
        ("id,day,note\r1,2018-01-02,x\r2,2018-01-02,Côte\r".encode("latin-1"), "line 3 is not utf-8"),
        (
            "id,day,note\n1,2018-01-02,x\n".encode("utf-16-le"),
            'UTF-16 without a byte order mark; name it in the mapping: encoding = "utf-16-le"',
        ),
        (
            "id,day,note\n1,2018-01-02,x\n".encode("utf-16-be"),
            'UTF-16 without a byte order mark; name it in the mapping: encoding = "utf-16-be"',
        ),
        (b"id,day,note\n1,2018-01-02,x\0y\n", "line 2 holds a NUL (byte 27 of the file), which no text holds: is the file damaged?"),
        (TEXT.encode() + b"3,2018-01-02,\xc3", "it ends in the middle of a character: is it utf-8?"),
        (b"id,day,note,day\n1,2018-01-02,x,2018-01-03\n", "a.csv has 2 columns named 'day': rename one"),
        (b"x" * (files.LONGEST_CELL + (2 << 20)), "line 1 is longer than 16 MiB: is this a CSV file, with a line for every row?"),
    ],
    ids=["empty", "gzip", "zip", "latin-1", "cr", "utf-16-le", "utf-16-be", "nul", "cut", "double", "endless"],
)
def test_what_is_no_table_of_text_is_refused_before_anything_is_sent(tmp_path: Path, content: bytes, fault: str):
    told = refusal(written(tmp_path, content))
    assert fault in told
    assert told.startswith(f"nothing was imported:\n  {'m.toml' if 'rename' in fault else tmp_path / 'a.csv'}: ")


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("día,id,day\n".encode("latin-1").replace(b"day", b"d\xeda"), "line 1 is not utf-8: name the encoding"),
        ("id,day\n".encode("utf-16-le"), "it looks like UTF-16 without a byte order mark"),
        (b"", "it is empty"),
        (gzip.compress(b"id,day\n"), "it is compressed (gzip)"),
    ],
    ids=["latin-1", "utf-16-le", "empty", "gzip"],
)
def test_a_file_that_is_known_by_its_columns_is_told_why_they_cannot_be_read(tmp_path: Path, content: bytes, fault: str):
    assert fault in refusal(written(tmp_path, content), MAPPING)


def test_an_encoding_that_one_kind_of_file_declares_is_no_doubt_about_another(tmp_path: Path):
    other = '[files.others]\ncolumns = ["clé"]\nencoding = "latin-1"\n'
    (tmp_path / "b.csv").write_bytes("clé,day\n1,2018-01-02\n".encode("latin-1"))
    (tmp_path / "a.csv").write_text("id,day,note\n")
    read = mapping.parse(MAPPING.replace("[[feeds]]", other + "[[feeds]]").encode(), "m.toml")
    plan = plans.make(read, "m.toml", [tmp_path / "a.csv", tmp_path / "b.csv"])
    assert sorted(plan.tables) == ["leads", "others"]


def test_what_is_no_file_is_refused(tmp_path: Path):
    assert "gone.csv: cannot be read: No such file or directory" in refusal(tmp_path / "gone.csv")
    (tmp_path / "folder.csv").mkdir()
    assert "folder.csv: cannot be read: Is a directory" in refusal(tmp_path / "folder.csv")


def test_a_pipe_is_refused_because_it_can_be_read_only_once(tmp_path: Path):
    reading, writing = os.pipe()
    try:
        os.write(writing, TEXT.encode())
        with pytest.raises(files.UnreadableError, match="it is no file on disk"):
            files.encoding_of(Path(f"/dev/fd/{reading}"), "")
    finally:
        os.close(reading)
        os.close(writing)
