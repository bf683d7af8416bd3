"""Reads the formats of the classic judged collections (SMART / Glasgow).

Records     `.I n` begins one; a dot and a capital alone on a line begin a section:
            .T title, .A authors, .B source, .W text, .X cross-references, ...
Blocks      a number on its own line, lines of content, and a line with `/` alone
Judgments   one line a pair; the columns differ between collections

Text is plain ASCII in the distributions; other bytes are read as Latin-1.
"""

import re
from typing import NamedTuple

from failure import InputError

_RECORD = re.compile(r"\.I\s+(\d+)\s*$")
_SECTION = re.compile(r"\.([A-Z])\s*$")


class Record(NamedTuple):
    number: int
    line: int  # where it begins, for error messages
    sections: dict  # letter -> lines, without blank ones

    def text(self, letter):
        """A section as one line, '' if there is none."""
        return one_line(self.sections.get(letter, ()))


class Judgment(NamedTuple):
    query: int
    document: int
    grade: int
    line: int


def one_line(lines):
    return " ".join(" ".join(lines).split())


def _lines(path):
    with open(path, encoding="latin-1") as file:
        for number, line in enumerate(file, 1):
            yield number, line.rstrip("\n")


def read_records(path):
    """Records of a file of `.I` records, in file order."""
    records, seen, section = [], set(), None
    for at, line in _lines(path):
        begins = _RECORD.match(line)
        if begins:
            number = _new_number(begins[1], seen, path, at)
            records.append(Record(number, at, {}))
            section = None
        elif line.startswith(".I") and (len(line) == 2 or line[2].isspace()):
            raise InputError(f"'{line}' is no '.I' and a number", path, at)
        elif _SECTION.match(line):
            if not records:
                raise InputError("a section before the first .I", path, at)
            # Some records have a section twice: the second goes on with the first.
            section = records[-1].sections.setdefault(line[1], [])
        elif line.strip():
            if section is None:
                raise InputError("text outside a section", path, at)
            section.append(line)
    return _not_empty(records, path)


def read_blocks(path):
    """Records of a file of blocks that end with `/`; their content is section W."""
    records, seen, current = [], set(), None
    for at, line in _lines(path):
        word = line.strip()
        if current is None:
            if not word:
                continue
            if not word.isdigit():
                raise InputError(f"'{word}' where a number begins a block", path, at)
            current = Record(_new_number(word, seen, path, at), at, {"W": []})
        elif word == "/":
            records.append(current)
            current = None
        elif word:
            current.sections["W"].append(line)
    if current is not None:
        raise InputError("the last block has no '/' at its end", path, current.line)
    return _not_empty(records, path)


def read_block_judgments(path):
    """Judgments of a file of blocks: query number, then document numbers. All grade 1."""
    judgments = []
    for record in read_blocks(path):
        for word in record.text("W").split():
            if not word.isdigit():
                raise InputError(f"'{word}' is no document number", path, record.line)
            judgments.append(Judgment(record.number, int(word), 1, record.line))
    return judgments


def read_judgments(path, columns, document_column, grade_of=None):
    """Judgments of a file with one pair a line.

    The query is in the first of `columns` columns. `grade_of` maps the last column,
    a text, to a grade, 0 for not relevant, ValueError if it is none; without it,
    every pair is relevant with grade 1 and the further columns are padding.
    """
    judgments = []
    for at, line in _lines(path):
        field = line.split()
        if not field:
            continue
        if len(field) != columns:
            raise InputError(f"{len(field)} columns, not {columns}", path, at)
        try:
            query, document = int(field[0]), int(field[document_column])
            for column in field:
                float(column)
            grade = grade_of(field[-1]) if grade_of else 1
        except ValueError as error:
            raise InputError(f"no judgment: {error}", path, at) from None
        if grade > 0:
            judgments.append(Judgment(query, document, grade, at))
    if not judgments:
        raise InputError("has no judgment of a relevant document", path)
    return judgments


def cranfield_grade(code):
    """Grade of a Cranfield code, which counts down: 1, a complete answer, becomes 4.

    2 becomes 3, 3 becomes 2, 4 (of minimum interest) becomes 1; 5 and -1 (of no
    interest) become 0.
    """
    grades = {"1": 4, "2": 3, "3": 2, "4": 1, "5": 0, "-1": 0}
    if code not in grades:
        raise ValueError(f"the code '{code}' is not 1 to 5 or -1")
    return grades[code]


def _new_number(text, seen, path, at):
    number = int(text)
    if number in seen:
        raise InputError(f"number {number} is there twice", path, at)
    seen.add(number)
    return number


def _not_empty(records, path):
    if not records:
        raise InputError("has no record", path)
    return records
