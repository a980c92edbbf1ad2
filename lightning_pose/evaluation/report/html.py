"""HTML from Python: whatever is not markup already is escaped, so that no name of a file can become any."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

VOID = ("br", "img", "meta", "link")  # elements without content


class Markup(str):
    """Text that is HTML."""


Child = Markup | str | int | float | None
Cell = Child | tuple[Child, str]  # what stands in a table, and its class


def element(name: str, /, *children: Child, **attributes: str | int | float | bool | None) -> Markup:
    """Return an element.

    Parameters
    ----------
    name : of the tag.
    children : text, escaped unless it is `Markup`; None = nothing.
    attributes : ``class_`` is ``class``, other underscores are hyphens; True = without a value, None or
        False = not there.
    """
    told = "".join(
        f" {_attribute(key)}" if value is True else f' {_attribute(key)}="{escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    if name in VOID:
        return Markup(f"<{name}{told}>")
    return Markup(f"<{name}{told}>{join(children)}</{name}>")


def join(children: Sequence[Child]) -> Markup:
    """Return several parts as one."""
    return Markup("".join(_text(child) for child in children if child is not None))


def table(caption: Child, header: Sequence[Child], rows: Sequence[Sequence[Cell]]) -> Markup:
    """Return a table that scrolls by itself on a narrow screen; the first cell of a row is its heading."""
    head = element("tr", *(element("th", name, scope="col") for name in header))
    body = [
        element("tr", _cell("th", row[0], scope="row"), *(_cell("td", cell) for cell in row[1:]))
        for row in rows
    ]
    own = element("table", element("caption", caption), element("thead", head), element("tbody", *body))
    return element("div", own, class_="scroll", tabindex=0, role="group", aria_label=_plain(caption))


def details(summary: Child, *children: Child) -> Markup:
    """Return a part that is folded away at first."""
    return element("details", element("summary", summary), *children)


def _cell(name: str, cell: Cell, scope: str | None = None) -> Markup:
    child, style = cell if isinstance(cell, tuple) else (cell, None)
    return element(name, child, class_=style, scope=scope)


def _text(child: Child) -> str:
    return child if isinstance(child, Markup) else escape(str(child))


def _attribute(key: str) -> str:
    return key.rstrip("_").replace("_", "-")


def _plain(caption: Child) -> str | None:
    return None if isinstance(caption, Markup) or caption is None else str(caption)
