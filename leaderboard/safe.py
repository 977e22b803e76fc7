"""Text of a record made safe for where it is shown.

A record may come from anybody: a subject may hold rich markup, Markdown, a spreadsheet formula, a terminal escape or a
character that turns the line round. Each renderer shows such text as it is written.
"""

from __future__ import annotations

import re

_MARKDOWN = re.compile(r"([\\`*_\[\]<>|~&$])")
_FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
"""First characters that make a spreadsheet read a cell as a formula (OWASP, CSV injection); a tab is not printable."""


def printable(text: str) -> str:
    """`text` on one line, with characters that act instead of being seen (escapes, bidi marks) spelt out."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def markdown(text: str) -> str:
    """`text` that Markdown shows as it is written, also in a cell of a table."""
    return _MARKDOWN.sub(r"\\\1", printable(text))


def spreadsheet(text: str) -> str:
    """`text` that a spreadsheet takes for text; for names, never for numbers."""
    shown = printable(text)
    return f"'{shown}" if shown.startswith(_FORMULA) else shown
