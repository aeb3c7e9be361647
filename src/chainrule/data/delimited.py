"""CSV and its kin: bytes -> lines -> rows of cells, with the place of whatever is wrong."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import itertools
import re
import sys
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Literal

import numpy as np

from chainrule.data import refusals
from chainrule.data.blocks import Block, rows_at_once
from chainrule.data.cells import kind, normalised
from chainrule.data.columns import check_names
from chainrule.data.dialect import delimiter_of, stated_delimiter
from chainrule.errors import DataError, text

SUFFIXES = (".csv", ".tsv", ".txt")
STANDARD_INPUT = "-"
_HEAD_LINES, _HEAD_CHARACTERS = 100, 1 << 16
_BINARY = {
    b"PK\x03\x04": "If it is a spreadsheet, save it as CSV.",
    b"\xd0\xcf\x11\xe0": "If it is a spreadsheet, save it as CSV.",
    b"\x1f\x8b": "If it is compressed by gzip, let its name end in .csv.gz.",
    b"PAR1": "If it is a Parquet file, let its name end in .parquet.",
    b"%PDF": "Save the table in it as CSV.",
}
_AS_UTF8 = "Save it as CSV in UTF-8."


class _Closing:
    """Cuts away spaces between a closing quote and what ends the cell, which csv takes for an error."""

    def __init__(self, delimiter: str) -> None:
        spaces, end = "[ \t]" if delimiter != "\t" else " ", rf"[{re.escape(delimiter)}\r\n]|$"
        self._sign = re.compile(rf'"{spaces}+(?:{end})')
        self._rest = re.compile(rf'((?:[^"]|"")*")(?:{spaces}+(?={end}))?')
        self._quoted = re.compile(rf'( *"(?:[^"]|"")*")(?:{spaces}+(?={end}))?')
        self._cell = re.compile(rf"[^{re.escape(delimiter)}]*{re.escape(delimiter)}?")
        self.is_inside = False
        """Whether the next line goes on with a quoted cell of the line before."""

    def cut(self, line: str) -> str:
        is_inside, self.is_inside = self.is_inside, True  # csv asks for a second line of a row within quotes alone
        if not self._sign.search(line):
            return line
        parts, at = [], 0
        while at < len(line):
            quoted = (self._rest if is_inside else self._quoted).match(line, at)
            is_inside = False
            if quoted:
                parts.append(quoted[1])
                at = quoted.end()
            cell = self._cell.match(line, at)
            parts.append(cell[0] if cell else "")
            at = cell.end() if cell else len(line)
        return "".join(parts)


class DelimitedTable:
    """A file of rows with commas, semicolons, tabs or bars between the cells, and a first line of names.

    Standard input can be read once; a file from the start as often as `blocks` is called. Raises DataError for a file
    that is empty, binary, not UTF-8 or UTF-16, or without a line of names.
    """

    unit: Literal["line", "row"] = "line"

    def __init__(self, source: str) -> None:
        self.name = "standard input" if source == STANDARD_INPUT else source
        self._source = source
        with self._readable(), ExitStack() as files:
            stream = self._open()
            if source != STANDARD_INPUT:
                files.enter_context(stream)
            head: list[str] = []
            while len(head) < _HEAD_LINES and sum(map(len, head)) < _HEAD_CHARACTERS and (line := stream.readline()):
                head.append(line)
            self._delimiter = stated_delimiter(head) or delimiter_of(
                head, prefers_tab=source.lower().removesuffix(".gz").endswith(".tsv")
            )
            self.comma = self._delimiter != ","
            self._lines_to_come = itertools.chain(head, stream) if source == STANDARD_INPUT else None
            self.names = self._header(head)

    def blocks(self, which: Sequence[int]) -> Iterator[Block]:
        """Read the columns with these numbers, from the first row on."""
        size = rows_at_once(len(self.names))
        with self._readable(), ExitStack() as files:
            rows = self._rows(self._lines_to_come or files.enter_context(self._open()))
            cells = next(rows, (1, []))[1]
            if cells != self._first:
                raise refusals.changed(self.name, "the same first line", "another")
            while some := list(itertools.islice(rows, size)):
                places = np.array([place for place, _ in some], dtype=np.int64)
                columns = list(zip(*(cells for _, cells in some), strict=True))
                yield Block([normalised(columns[index]) for index in which], places)

    def written(self, place: int, index: int) -> str:
        """Read one cell once more, as it stands in the file."""
        if self._source == STANDARD_INPUT:
            return ""
        with self._readable(), self._open() as lines:
            return next((cells[index] for line, cells in self._rows(lines) if line == place), "")

    def _open(self) -> io.TextIOWrapper:
        if self._source == STANDARD_INPUT:
            if sys.stdin is None:
                raise DataError(text(self.name, expected="a table", got="a closed stream", hint="Name a file."))
            raw: Any = io.BufferedReader(sys.stdin.buffer)
        else:
            raw = (gzip.open if self._source.lower().endswith(".gz") else open)(self._source, "rb")
        try:
            return io.TextIOWrapper(raw, encoding=self._encoding(raw.peek(4096)[:4096]), newline="")
        except BaseException:
            raw.close()
            raise

    def _encoding(self, begins: bytes) -> str:
        if not begins:
            hint = "Check how it was made."
            raise DataError(text(self.name, expected="a table", got="an empty file", hint=hint))
        if begins.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return "utf-16"
        known = next((hint for magic, hint in _BINARY.items() if begins.startswith(magic)), None)
        if known or b"\0" in begins:
            hint = known or _AS_UTF8
            raise DataError(text(self.name, expected="a table as text", got="a binary file", hint=hint))
        return "utf-8-sig"

    def _checked(self, lines: Iterable[str]) -> Iterator[str]:
        for number, line in enumerate(lines, start=1):
            if "\0" in line:
                what = f"line {number} of {self.name}"
                got = "a zero byte, as in a binary file"
                raise DataError(text(what, expected="text", got=got, hint=_AS_UTF8))
            yield line

    def _rows(self, lines: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
        """Give each row that isn't blank, with the number of the line that it begins on.

        Rows of empty cells at the very end, which spreadsheets leave there, are left out.
        """
        closing = _Closing(self._delimiter)
        reader = csv.reader(
            map(closing.cut, self._checked(lines)), delimiter=self._delimiter, skipinitialspace=True, strict=True
        )
        n_cells = 0
        empty: list[int] = []  # lines of empty cells that no other row has followed yet
        while True:
            place, closing.is_inside = reader.line_num + 1, False
            try:
                cells = next(reader, None)
            except csv.Error as error:
                if str(error).startswith("field larger"):  # csv has one class for all its errors
                    raise self._too_long(place) from None
                hint = 'Close it; inside quotes, write a quote twice, as in "6"" pipe".'
                what, got = f"line {place} of {self.name}", f"a row that can't be cut ({error})"
                raise DataError(text(what, expected="quotes in pairs around a cell", got=got, hint=hint)) from None
            if cells is None:
                return
            if not cells or (len(cells) == 1 and not cells[0].strip() and n_cells != 1):
                continue
            if place == 1 and stated_delimiter([self._delimiter.join(cells)]):
                continue
            n_cells = n_cells or len(cells)
            if len(cells) != n_cells:
                hint = (
                    f"Quote cells that hold {self._delimiter!r}." if len(cells) > n_cells else "Add the missing cells."
                )
                expected, what = f"{n_cells} cells, as the first line has", f"line {place} of {self.name}"
                raise DataError(text(what, expected=expected, got=f"{len(cells)}", hint=hint))
            if len(cells) > 1 and not any(map(str.strip, cells)):
                empty.append(place)
                continue
            yield from ((line, [""] * n_cells) for line in empty)
            empty.clear()
            yield place, cells

    def _too_long(self, place: int) -> DataError:
        hint = "If a quote before it was left open, close it; else shorten the cell, or take its column out."
        what, expected = f"line {place} of {self.name}", f"cells of at most {csv.field_size_limit():,} characters"
        return DataError(text(what, expected=expected, got="a longer one", hint=hint))

    def _header(self, head: list[str]) -> tuple[str, ...]:
        place, cells = next(self._rows(head), (1, []))
        if not cells:
            raise DataError(text(self.name, expected="a table", got="blank lines only", hint="Check how it was made."))
        self._first = cells
        names = [cell.strip() for cell in cells]
        if all(kind(name, self.comma) in ("number", "infinite", "separated") for name in names):
            hint = "Write a first line with a name for each column."
            got = f"only numbers, such as {names[0]!r}"
            what = f"line {place} of {self.name}"
            raise DataError(text(what, expected="the names of the columns", got=got, hint=hint))
        return check_names(names, self.name)

    @contextmanager
    def _readable(self) -> Iterator[None]:
        """Turn what Python says of bytes that can't be read into errors of the file."""
        try:
            yield
        except UnicodeDecodeError as error:
            if error.encoding.startswith("utf-16"):
                hint = "Was it copied completely?"
                expected = "text in UTF-16, as its first bytes say"
                raise DataError(text(self.name, expected=expected, got=error.reason, hint=hint)) from None
            what, got = self._undecodable(), f"the byte 0x{error.object[error.start]:02x}"
            raise DataError(text(what, expected="text in UTF-8", got=got, hint=_AS_UTF8)) from None
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            hint = "Was it copied completely?"
            raise DataError(text(self.name, expected="a whole gzip file", got=str(error), hint=hint)) from None
        except OSError as error:
            got = error.strerror or str(error)
            raise DataError(text(self.name, expected="a file that can be read", got=got, hint="Check it.")) from None

    def _undecodable(self) -> str:
        """Name the first line that isn't UTF-8; the decoder itself knows only bytes of its buffer."""
        if self._source == STANDARD_INPUT:
            return self.name
        opener: Any = gzip.open if self._source.lower().endswith(".gz") else open
        with opener(self._source, "rb") as lines:
            for number, line in enumerate(lines, start=1):
                try:
                    line.decode()
                except UnicodeDecodeError:
                    return f"line {number} of {self.name}"
        return self.name
