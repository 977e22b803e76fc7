"""What a page says that code prints, code prints."""

from __future__ import annotations

import pytest

from tests.docs.blocks import BLOCK, fenced, pages, printed_by, rewritten, shape


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_printed_blocks_are_as_code_prints_them(page):
    text = page.read_text(encoding="utf-8")
    assert text == rewritten(text), f"{page.name} is out of date; run `python -m tests.docs.blocks`"
    assert text.splitlines().count("<!-- end -->") == len(BLOCK.findall(text)), "a block is not closed, or not opened"


def test_a_block_that_is_out_of_date_is_seen():
    stale = "<!-- output: facebench version -->\n0.0.0\n<!-- end -->\n"
    assert rewritten(stale) != stale
    assert rewritten(rewritten(stale)) == rewritten(stale)


SLOW = [(p.name, m) for p in pages() for m in BLOCK.finditer(p.read_text(encoding="utf-8")) if m["kind"] == "run"]


@pytest.mark.slow
@pytest.mark.parametrize("match", [m for _, m in SLOW], ids=[f"{page}: {m['name']}" for page, m in SLOW])
def test_what_a_slow_command_prints_has_the_shape_that_the_page_shows(match):
    pytest.importorskip("torch", reason="the core alone does not run backbones")
    assert shape(match["body"]) == shape(fenced(printed_by(match["name"])))


def test_a_shape_forgets_numbers_and_order_but_no_words():
    table = "wflw test\ndata:3fa9c1  n:2,500\n1  vit  4.02 [3.91, 4.13]\n2  swin  5.00 [4.90, 5.10]\n"
    other = "wflw test\ndata:00b1c2  n:50\n1  swin  3.00 [2.90, 13.10]\n2  vit   4.02 [3.91, 4.13]\n"
    assert shape(table) == shape(other)
    assert shape(table) != shape(table.replace("swin", "pixels"))
