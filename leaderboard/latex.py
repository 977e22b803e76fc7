r"""Tables as LaTeX: booktabs, best in bold, ties with it marked; nothing beyond `\usepackage{booktabs}` is needed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from leaderboard.digits import MISSING, digits, value_text
from leaderboard.safe import printable
from leaderboard.table import Column, Row, Table

_SPECIAL: Mapping[str, str] = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    **{c: f"\\{c}" for c in "&%$#_{}"},
}
_SIGNS = {"–": "--", "×": r"$\times$", "°": r"$^{\circ}$", "↓": r"$\downarrow$", "↑": r"$\uparrow$", "±": r"$\pm$"}
_MARK = r"\textsuperscript{$=$}"
_ARROWS = {"lower": r"$\downarrow$", "higher": r"$\uparrow$"}
_SPELT = {**_SPECIAL, **_SIGNS}
_NEEDS_CARE = re.compile("|".join(map(re.escape, _SPELT)))


def escape(text: str) -> str:
    """`text` that LaTeX prints as it is written; characters that it may have no glyph for are spelt out."""
    spelt = "".join(c if c.isascii() or c in _SIGNS or c.isalpha() else f"U+{ord(c):04X}" for c in printable(text))
    return _NEEDS_CARE.sub(lambda match: _SPELT[match[0]], spelt)


def to_latex(tables: Sequence[Table]) -> str:
    """One `table` environment for each table, under its own caption and label."""
    head = "% needs \\usepackage{booktabs}\n"
    return head + "\n".join(_table(table, number) for number, table in enumerate(tables, start=1))


def _table(table: Table, number: int) -> str:
    ties = _ties(table)
    titles = ["", "", *(_title(column) for column in table.columns)]
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\begin{{tabular}}{{rl{'r' * len(table.columns)}}}",
        r"\toprule",
        _line(titles),
        r"\midrule",
        *(_line(_cells(table, row, tied=tied)) for row, tied in zip(table.rows, ties, strict=True)),
        r"\bottomrule",
        r"\end{tabular}",
        rf"\caption{{{_caption(table, tied=any(ties))}}}",
        rf"\label{{tab:{re.sub('[^A-Za-z0-9]+', '-', f'{table.dataset}-{table.split}')}-{number}}}",
        r"\end{table}",
    ]
    return "".join(f"{line}\n" for line in lines)


def _ties(table: Table) -> list[bool]:
    """Rows that are not the best and not told apart from it."""
    return [row.place is not None and row.place.group == 1 and row.rank != 1 for row in table.rows]


def _title(column: Column) -> str:
    return f"{escape(f'{column.subset} {column.metric}')} {_ARROWS[column.direction]} [{escape(column.unit)}]"


def _cells(table: Table, row: Row, *, tied: bool) -> list[str]:
    name = escape(row.subject) + (f" ({escape(', '.join(row.badges))})" if row.badges else "")
    rank = "--" if row.rank is None else str(row.rank)
    numbers = []
    for i, column in enumerate(table.columns):
        score = row.scores.get(column.key)
        text = value_text(score)
        if text != MISSING and score is not None and score.value == _best(table, column):
            text = rf"\textbf{{{text}}}"
        if score is not None and score.value is not None and score.interval is not None:
            low, high = (f"{bound:.{digits(score)}f}" for bound in score.interval)
            text += rf" {{\scriptsize [{low}, {high}]}}"
        numbers.append(escape(text) if text == MISSING else text + (_MARK if tied and i == 0 else ""))
    return [rank, name, *numbers]


def _best(table: Table, column: Column) -> float | None:
    ranked = (row.scores.get(column.key) for row in table.rows if row.rank is not None)
    values = [score.value for score in ranked if score is not None and score.value is not None]
    return (min if column.direction == "lower" else max)(values, default=None)


def _line(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"


def _caption(table: Table, *, tied: bool) -> str:
    about = f"{escape(f'{table.dataset} {table.split}')}. Best ranked value in bold, 95\\,\\% intervals in brackets."
    mark = f" {_MARK}: not told apart from the best." if tied else ""
    return f"{about}{mark} Signature: {escape(table.signature.replace('|', ' '))}."
