"""Text stays text, whatever it holds."""

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightning_pose.evaluation.report.html import Markup, details, element, join, table


class Reader(HTMLParser):
    """Collects tags, attributes and text."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(markup)
        self.close()

    def handle_starttag(self, tag, attrs) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data) -> None:
        self.text += data


# HTML knows one kind of line end, and no zero character
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\0"), max_size=30)


@given(texts, texts)
def test_text_and_attributes_come_back_as_they_were(text: str, title: str) -> None:
    read = Reader(element("p", text, title=title))
    assert read.tags == ["p"] and read.text == text and read.attributes == [("title", title)]


@given(texts, texts)
def test_a_table_holds_its_cells(name: str, cell: str) -> None:
    read = Reader(table("t", ["a", name], [["row", cell], ["row", (cell, "good")]]))
    assert read.text == f"ta{name}row{cell}row{cell}"
    assert read.tags.count("tr") == 3 and read.tags.count("th") == 4


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "&lt;", "'"])
def test_tags_in_text_are_no_tags(text) -> None:
    read = Reader(details(text, element("p", text, class_=text)))
    assert read.tags == ["details", "summary", "p"]
    assert read.text == text * 2 and read.attributes == [("class", text)]


def test_markup_stays_and_nothing_is_left_out() -> None:
    assert join([Markup("<b>"), "<b>", None, 3]) == "<b>&lt;b&gt;3"
    assert element("img", alt="", hidden=True, title=None, open=False) == '<img alt="" hidden>'
    assert element("p", class_="a", aria_label="b") == '<p class="a" aria-label="b"></p>'
