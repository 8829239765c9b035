"""Files of every shape: read row by row, or refused with a sentence that helps."""

from pathlib import Path

import pytest

from baton.importer import files, mapping, plans
from baton.importer.faults import MappingError
from baton.importer.files import Table

MAPPING = """
[source]
code = "shop"
name = "Shop"
time_zone = "UTC"
[files.leads]
columns = ["id", "day"]
[files.names]
name = "names*.csv"
[[feeds]]
entity = "lead"
file = "leads"
external_id = "id"
[feeds.fields]
occurred_at = "day"
[feeds.labels]
name = { column = "name", lookup = { file = "names", key = "person", by = "id" } }
"""


def planned(*paths: Path, text: str = MAPPING) -> plans.Plan:
    return plans.make(mapping.parse(text.encode(), "m.toml"), "m.toml", paths)


def table(path: Path, text: str = MAPPING) -> Table:
    read = mapping.parse(text.replace("[feeds.labels]", "").partition("name = {")[0].encode(), "m.toml")
    return plans.make(read, "m.toml", [path]).tables["leads"][0]


def rows(path: Path, text: str = MAPPING) -> list[tuple[int, list[str]]]:
    return [(row.line, list(row.cells)) for row in files.rows(table(path, text)) if row.fault is None]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found_by_the_columns(tmp_path: Path, delimiter: str):
    path = tmp_path / "a.csv"
    path.write_text(delimiter.join(["id", "day", '"note, free; text"']) + "\n" + delimiter.join(["1", "2018-01-02", "x"]) + "\n")
    assert rows(path) == [(2, ["1", "2018-01-02", "x"])]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_tells_the_encoding(tmp_path: Path, encoding: str):
    path = tmp_path / "a.csv"
    path.write_text("id,day\nCôte,2018-01-02\n", encoding=encoding)
    assert rows(path) == [(2, ["Côte", "2018-01-02"])]


def test_another_encoding_is_named_in_the_mapping(tmp_path: Path):
    path = tmp_path / "a.csv"
    path.write_text("id,day\nCôte,2018-01-02\n", encoding="latin-1")
    named = MAPPING.replace('columns = ["id", "day"]', 'columns = ["id", "day"]\nencoding = "latin-1"')
    assert rows(path, named) == [(2, ["Côte", "2018-01-02"])]
    with pytest.raises(MappingError, match=r"line 2 is not utf-8: name the encoding in the mapping"):
        table(path)


def test_quoted_newlines_count_as_lines_but_not_as_rows(tmp_path: Path):
    path = tmp_path / "a.csv"
    path.write_text('id,day\n"a\nb","2018-01-02"\n\nc,2018-01-03\n')
    assert rows(path) == [(2, ["a\nb", "2018-01-02"]), (5, ["c", "2018-01-03"])]


def test_broken_rows_are_faults_of_their_own(tmp_path: Path):
    path = tmp_path / "a.csv"
    path.write_text('id,day\n1,2018-01-02,extra\n2\n3,2018-01-02,,\n4,2018-01-05\n"5,2018-01-05\n6,2018-01-06\n')
    read = list(files.rows(table(path)))
    assert [(row.line, row.fault.code if row.fault else None) for row in read] == [
        (2, "WRONG_LENGTH"),
        (3, "WRONG_LENGTH"),
        (4, None),
        (5, None),
        (6, "BAD_CSV"),
    ]
    assert read[-1].fault is not None
    assert "never closed" in read[-1].fault.message


def test_a_cell_without_end_does_not_fill_the_memory(tmp_path: Path):
    path = tmp_path / "a.csv"
    path.write_text('id,day\n"' + ("x" * 1000 + "\n") * 3000)
    assert {row.fault.code for row in files.rows(table(path)) if row.fault} <= {"BAD_CSV", "WRONG_LENGTH"}


def test_three_hundred_columns_are_no_trouble(tmp_path: Path):
    path = tmp_path / "a.csv"
    path.write_text(",".join(["id", "day", *(f"c{n}" for n in range(300))]) + "\n" + ",".join(["1", "2018-01-02"] + ["x"] * 300) + "\n")
    assert len(rows(path)[0][1]) == 302


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        ("b.csv", "a,b\n1,2\n", "is none of the files of m.toml (leads: columns id, day, names: name names*.csv)"),
        ("names.csv", "id,day\n", "could be any of leads, names of m.toml"),
        ("gone.csv", None, "gone.csv: cannot be read: No such file"),
        ("b.csv", "", "b.csv: cannot be read: it is empty"),
    ],
)
def test_a_file_that_is_not_recognised_is_named(tmp_path: Path, name: str, content: str | None, fault: str):
    path = tmp_path / name
    if content is not None:
        path.write_text(content)
    with pytest.raises(MappingError) as caught:
        planned(path)
    assert fault in str(caught.value)


def test_a_missing_column_is_named_with_the_one_it_may_be(tmp_path: Path):
    (tmp_path / "a.csv").write_text("id,day\n")
    (tmp_path / "names.csv").write_text("person,nmae\n")
    with pytest.raises(MappingError) as caught:
        planned(tmp_path / "a.csv", tmp_path / "names.csv")
    assert caught.value.faults == ("m.toml: feeds[0].labels.name: names.csv has no column 'name' (did you mean 'nmae'?)",)


def test_a_file_to_look_up_in_must_be_given(tmp_path: Path):
    (tmp_path / "a.csv").write_text("id,day\n")
    with pytest.raises(MappingError, match=r"files\.names: a column is looked up in this file, but it was not given"):
        planned(tmp_path / "a.csv")


def test_a_column_that_is_there_twice_is_ambiguous(tmp_path: Path):
    (tmp_path / "a.csv").write_text("id,day,day\n")
    (tmp_path / "names.csv").write_text("person,name\n")
    with pytest.raises(MappingError, match="has 2 columns named 'day'"):
        planned(tmp_path / "a.csv", tmp_path / "names.csv")


def test_a_constant_that_does_not_fit_is_found_before_anything_is_sent(tmp_path: Path):
    (tmp_path / "a.csv").write_text("id,day\n")
    text = MAPPING.partition("[feeds.labels]")[0] + 'medium = { constant = "smoke" }\n'
    with pytest.raises(MappingError, match=r"feeds\[0\]\.fields\.medium\.constant: is none of advertising"):
        planned(tmp_path / "a.csv", text=text)
