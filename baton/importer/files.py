"""CSV files of any shape, row by row in bounded memory: byte order mark, encoding, delimiter, quoted newlines, rows of the wrong length."""

from __future__ import annotations

import codecs
import csv
import hashlib
import io
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from baton.importer.faults import UnfitError

if TYPE_CHECKING:
    import _csv

DELIMITERS = (",", ";", "\t", "|")
LONGEST_CELL = 1024 * 1024
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark begins this one
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

csv.field_size_limit(LONGEST_CELL)


class UnreadableError(Exception):
    """A file that cannot be read as text; says where and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A CSV file that is known to be readable: its columns in their order, and how it is written."""

    path: Path
    columns: tuple[str, ...]
    encoding: str
    delimiter: str
    quote: str

    @property
    def size(self) -> int:
        """Bytes."""
        return self.path.stat().st_size


@dataclass(frozen=True, slots=True)
class Row:
    """One record: the line it begins in (the header's is 1), its cells or what is wrong with it, and how many bytes are read so far."""

    line: int
    cells: Sequence[str]
    fault: UnfitError | None
    position: int


def encoding_of(path: Path, named: str) -> str:
    """The encoding to read a file with: its byte order mark's, else the named one, else UTF-8."""
    with path.open("rb") as file:
        head = file.read(4)
    return next((encoding for mark, encoding in _MARKS if head.startswith(mark)), named or "utf-8")


def scan(path: Path, encoding: str) -> str:
    """The digest of a file, all of which could be decoded. Raises UnreadableError with the line that could not."""
    digest, decoder, lines = hashlib.sha256(), codecs.getincrementaldecoder(encoding)("strict"), 1
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
            try:
                decoder.decode(block)
            except UnicodeDecodeError as error:
                line = lines + error.object[: error.start].count(b"\n")
                raise UnreadableError(
                    f'line {line} is not {encoding}: name the encoding in the mapping, e.g. encoding = "latin-1"'
                ) from None
            lines += block.count(b"\n")
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        raise UnreadableError(f"ends in the middle of a character: is it {encoding}?") from None
    return digest.hexdigest()


def header(path: Path, encoding: str, delimiter: str, quote: str) -> tuple[str, ...]:
    """The names of the columns, trimmed; none for an empty file. What cannot be decoded is left to `scan`, which knows its line."""
    with _opened(path, encoding, "replace") as (text, _):
        reader = _reader(text, delimiter, quote, strict=False)
        try:
            return tuple(name.strip() for name in next(reader, ()))
        except csv.Error as error:
            raise UnreadableError(f"the header cannot be read: {error}") from None


def sniffed(path: Path, encoding: str, quote: str, needed: Sequence[str]) -> str:
    """The delimiter with which the header has most of the needed columns, then most columns at all."""

    def fit(delimiter: str) -> tuple[int, int]:
        columns = header(path, encoding, delimiter, quote)
        return len(set(needed) & set(columns)), len(columns)

    return max(DELIMITERS, key=fit)


def rows(table: Table) -> Iterator[Row]:
    """Every record below the header, blank lines left out. A broken record comes as one with a fault; reading goes on after it."""
    with _opened(table.path, table.encoding) as (text, raw):
        # Strict, because a quote that is never closed would otherwise swallow the rest of the file without a word.
        reader = _reader(text, table.delimiter, table.quote, strict=True)
        next(reader, None)
        width = len(table.columns)
        while True:
            line = reader.line_num + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield Row(line, (), UnfitError("BAD_CSV", _explained(error, reader.line_num - line)), raw.tell())
                continue
            if not cells:
                continue
            if len(cells) > width and not any(cells[width:]):
                cells = cells[:width]
            fault = None if len(cells) == width else UnfitError("WRONG_LENGTH", f"has {len(cells)} cells, the header has {width}")
            yield Row(line, cells, fault, raw.tell())


def _explained(error: csv.Error, more: int) -> str:
    if "unexpected end of data" in str(error):
        return f"a quote opened here is never closed: this row and the {more} lines after it, to the end of the file, were not read"
    return f"cannot be read as CSV ({error})"


@contextmanager
def _opened(path: Path, encoding: str, errors: str = "strict") -> Iterator[tuple[io.TextIOWrapper, BinaryIO]]:
    """The text of a file and, beside it, its bytes, which know how far it is read."""
    with path.open("rb", buffering=1 << 16) as raw, io.TextIOWrapper(raw, encoding=encoding, errors=errors, newline="") as text:
        yield text, raw


def _reader(text: Iterable[str], delimiter: str, quote: str, *, strict: bool) -> _csv.Reader:
    if not quote:
        return csv.reader(text, delimiter=delimiter, quoting=csv.QUOTE_NONE, strict=strict)
    return csv.reader(text, delimiter=delimiter, quotechar=quote, strict=strict)
