"""CSV files of any shape, row by row in bounded memory: byte order mark, encoding, delimiter, quoted newlines, rows of the wrong length.

What can be told before a row is sent is told by `encoding_of`, `header` and `scan`: what is no text, or none that ends.
"""

from __future__ import annotations

import codecs
import csv
import hashlib
import io
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from baton.importer.faults import UnfitError

if TYPE_CHECKING:
    import _csv

DELIMITERS = (",", ";", "\t", "|")
LONGEST_CELL = 16 * 1024 * 1024
_BLOCK = 1 << 20
_STEP = 256
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark begins this one
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_PACKED = (
    (b"\x1f\x8b", "compressed (gzip): unpack it first"),
    (b"BZh91AY&SY", "compressed (bzip2): unpack it first"),
    (b"\xfd7zXZ\x00", "compressed (xz): unpack it first"),
    (b"\x28\xb5\x2f\xfd", "compressed (zstd): unpack it first"),
    (b"PK\x03\x04", "a zip archive or a spreadsheet: unpack it, or save the sheet as CSV"),
    (b"\xd0\xcf\x11\xe0", "a spreadsheet: save it as CSV"),
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


class Row(NamedTuple):
    """One record: the line it begins in (the header's is 1), its cells or what is wrong with it, and about how many bytes are read so far.

    A tuple, because millions are made.
    """

    line: int
    cells: Sequence[str]
    fault: UnfitError | None
    position: int


def encoding_of(path: Path, named: str) -> str:
    """The encoding of a file: its byte order mark's, else the named one, else UTF-8. Raises UnreadableError for what is no text."""
    if not path.is_file():
        raise UnreadableError("it is no file on disk, and it has to be read more than once: save it first")
    with path.open("rb") as file:
        head = file.read(8)
    if not head:
        raise UnreadableError("it is empty, without even a header")
    for magic, what in _PACKED:
        if head.startswith(magic):
            raise UnreadableError(f"it is {what}")
    return next((encoding for mark, encoding in _MARKS if head.startswith(mark)), named or "utf-8")


def scan(path: Path, encoding: str) -> str:
    """The digest of a file, all of which is text, in lines that fit into memory. Raises UnreadableError with the line that is not."""
    digest, decoder = hashlib.sha256(), codecs.getincrementaldecoder(encoding)("strict")
    width = 4 if "32" in encoding else 2 if "16" in encoding else 1
    before = unbroken = 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            try:
                text = decoder.decode(block)
            except UnicodeDecodeError as error:
                # The decoder may have held back the first bytes of a character that the block before ended in.
                raise UnreadableError(_undecodable(path, before + len(block) - len(error.object) + error.start, encoding)) from None
            if "\0" in text:
                raise UnreadableError(_nul(path, before + (block.index(b"\0") if width == 1 else width * text.index("\0"))))
            unbroken = 0 if b"\n" in block or b"\r" in block else unbroken + len(block)
            if unbroken > LONGEST_CELL:
                raise UnreadableError(
                    f"line {_line(path, before)} is longer than {LONGEST_CELL >> 20} MiB: is this a CSV file, with a line for every row?"
                )
            before += len(block)
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        raise UnreadableError(f"it ends in the middle of a character: is it {encoding}?") from None
    return digest.hexdigest()


def header(path: Path, encoding: str, delimiter: str, quote: str) -> tuple[str, ...]:
    """The names of the columns, trimmed; none for an empty file. What cannot be decoded is left to `scan`, which knows its line."""
    with _opened(path, encoding, "replace") as (text, _):
        # A file without line ends is never read as a whole.
        lines = iter(lambda: text.readline(LONGEST_CELL), "")
        try:
            return tuple(name.strip() for name in next(_reader(lines, delimiter, quote, strict=False), ()))
        except csv.Error as error:
            raise UnreadableError(f"the header cannot be read: {error}") from None


def sniffed(path: Path, encoding: str, quote: str, needed: Sequence[str]) -> str:
    """The delimiter with which the header has most of the needed columns, then most columns at all."""

    def fit(delimiter: str) -> tuple[int, int]:
        columns = header(path, encoding, delimiter, quote)
        return len(set(needed) & set(columns)), len(columns)

    return max(DELIMITERS, key=fit)


def rows(table: Table) -> Iterator[Row]:
    """Every record below the header, blank lines left out. A broken record comes as one with a fault; reading goes on after it.

    It does not go on after a cell without end: what follows might be the inside of a cell as well as rows.
    """
    with _opened(table.path, table.encoding) as (text, raw):
        # Strict, because a quote that is never closed would otherwise swallow the rest of the file without a word.
        reader = _reader(text, table.delimiter, table.quote, strict=True)
        next(reader, None)
        width, position, count = len(table.columns), raw.tell(), 0
        while True:
            line = reader.line_num + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield Row(line, (), UnfitError("BAD_CSV", _explained(error, reader.line_num - line)), raw.tell())
                if _is_endless(error):
                    return
                continue
            count += 1
            if count % _STEP == 0:
                position = raw.tell()
            if len(cells) == width:
                yield Row(line, cells, None, position)
            elif cells:
                yield _uneven(line, cells, width, position)


def _uneven(line: int, cells: list[str], width: int, position: int) -> Row:
    if len(cells) > width and not any(cells[width:]):
        return Row(line, cells[:width], None, position)
    return Row(line, cells, UnfitError("WRONG_LENGTH", f"has {len(cells)} cells, the header has {width}"), position)


def _is_endless(error: csv.Error) -> bool:
    return "field limit" in str(error)


def _explained(error: csv.Error, more: int) -> str:
    if "unexpected end of data" in str(error):
        return f"a quote opened here is never closed: this row and the {more} lines after it, to the end of the file, were not read"
    if _is_endless(error):
        return (
            f"a cell of this row has more than {LONGEST_CELL >> 20} MiB, as if a quote were never closed: the rest of the file was not read"
        )
    also = f"; the {more} lines after it were not read either" if more > 0 else ""
    return f"cannot be read as CSV ({error}){also}"


def _undecodable(path: Path, at: int, encoding: str) -> str:
    named = f'line {_line(path, at)} is not {encoding}: name the encoding in the mapping, e.g. encoding = "latin-1"'
    return f"{named} (byte {at + 1} of the file)"


def _nul(path: Path, at: int) -> str:
    named = f"line {_line(path, at)} holds a NUL (byte {at + 1} of the file)"
    with path.open("rb") as file:
        head = file.read(64)
    for encoding, zeros, others in (("utf-16-le", head[1::2], head[::2]), ("utf-16-be", head[::2], head[1::2])):
        if zeros.count(0) > len(head) // 4 > others.count(0):
            return f'{named}: it looks like UTF-16 without a byte order mark; name it in the mapping: encoding = "{encoding}"'
    return f"{named}, which no text holds: is the file damaged? Nothing can be stored with it"


def _line(path: Path, at: int) -> int:
    """The number of the line that holds that byte, lines ending in CR, LF or both."""
    lines, left, last = 1, at, b""
    with path.open("rb") as file:
        while left and (block := file.read(min(left, _BLOCK))):
            left -= len(block)
            pairs = block.count(b"\r\n") + (last == b"\r" and block.startswith(b"\n"))
            lines += block.count(b"\n") + block.count(b"\r") - pairs
            last = block[-1:]
    return lines


@contextmanager
def _opened(path: Path, encoding: str, errors: str = "strict") -> Iterator[tuple[io.TextIOWrapper, BinaryIO]]:
    """The text of a file and, beside it, its bytes, which know how far it is read."""
    with path.open("rb", buffering=1 << 16) as raw, io.TextIOWrapper(raw, encoding=encoding, errors=errors, newline="") as text:
        yield text, raw


def _reader(text: Iterable[str], delimiter: str, quote: str, *, strict: bool) -> _csv.Reader:
    if not quote:
        return csv.reader(text, delimiter=delimiter, quoting=csv.QUOTE_NONE, strict=strict)
    return csv.reader(text, delimiter=delimiter, quotechar=quote, strict=strict)
