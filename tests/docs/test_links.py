"""Every link inside the repository leads somewhere."""

from __future__ import annotations

import re

import pytest

from tests.docs.blocks import pages

LINK = re.compile(r"(?<!!)\[[^\]]+\]\((?!https?://)(?P<file>[^)#]*)(?:#(?P<part>[^)]*))?\)")
PICTURE = re.compile(r"!\[(?P<text>[^\]]*)\]\((?P<file>[^)]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def parts(text: str) -> set[str]:
    """Names of the headings of a page, as GitHub makes them."""
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in HEADING.findall(text)}


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for link in LINK.finditer(page.read_text(encoding="utf-8")):
        target = (page.parent / link["file"]).resolve() if link["file"] else page
        assert target.exists(), f"{page.name} links to {link['file']}"
        if link["part"]:
            assert link["part"] in parts(target.read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_pictures_are_there_and_described(page):
    for picture in PICTURE.finditer(page.read_text(encoding="utf-8")):
        assert (page.parent / picture["file"]).is_file()
        assert picture["text"], "a picture needs words for those who do not see it"


def test_every_page_can_be_reached_from_the_index():
    docs = next(page for page in pages() if page.name == "index.md").parent
    index = (docs / "index.md").read_text(encoding="utf-8")
    linked = {link["file"] for link in LINK.finditer(index)}
    assert {page.name for page in docs.glob("*.md")} - {"index.md"} <= linked
