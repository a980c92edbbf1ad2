"""Put the report together: one page that loads nothing and runs nothing."""

from __future__ import annotations

from pathlib import Path

from lightning_pose import __version__
from lightning_pose.evaluation.report import files, results
from lightning_pose.evaluation.report.contents import Contents
from lightning_pose.evaluation.report.html import Markup, element
from lightning_pose.evaluation.report.overview import overview
from lightning_pose.evaluation.report.trained import trained
from lightning_pose.io.files import write_atomic

STYLE = Path(__file__).parent / "assets" / "style.css"
# nothing may be loaded or run, whatever stands in the page
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def write_report(contents: Contents, output: Path, title: str) -> int:
    """Write the page; return its size in bytes."""
    page = f"<!doctype html>\n{_page(contents, output, title)}\n".encode()
    with write_atomic(output) as temporary:
        temporary.write_bytes(page)
    return len(page)


def _page(contents: Contents, output: Path, title: str) -> Markup:
    links = files.Linker(output)
    sections = {
        "errors": ("Errors", results.errors(contents)),
        "expected": ("Expected errors", results.expected_errors(contents)),
        "trained": ("What was trained on what", trained(contents)),
        "curves": ("Training curves", results.curves(contents)),
        "crops": ("Crops", files.crops(contents, links)),
        "figures": ("Figures", files.figures(contents, links)),
        "timings": ("Timings", files.timings(contents)),
        "files": ("Further files", files.further(contents, links)),
    }
    menu = element(
        "nav", *(element("a", name, href=f"#{key}") for key, (name, _) in sections.items()),
        aria_label="Sections",
    )  # fmt: skip
    body = [
        element(
            "section", element("h2", name, id=f"{key}-title"), content, id=key, aria_labelledby=f"{key}-title"
        )
        for key, (name, content) in sections.items()
    ]
    # the sections first: what they find amiss stands at the beginning
    main = element("main", overview(contents), *body, id="main")
    header = element("header", element("h1", title), element("p", _about(contents), class_="faint"), menu)
    footer = element("footer", element("p", f"litpose report, version {__version__}", class_="faint"))
    skip = element("a", "Skip to the results", href="#main", class_="skip")
    return element("html", _head(title), element("body", skip, header, main, footer), lang="en")


def _head(title: str) -> Markup:
    return element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("meta", name="referrer", content="no-referrer"),
        element("meta", http_equiv="Content-Security-Policy", content=POLICY),
        element("title", f"{title}: report"),
        element("link", rel="icon", href="data:,"),
        element("style", Markup(STYLE.read_text(encoding="utf-8"))),
    )


def _about(contents: Contents) -> str:
    done = sum(own.dir.is_trained for own in contents.models)
    begun = sorted(str(own.run["started"]) for own in contents.models if "started" in own.run)
    text = f"{done} of {len(contents.models)} models trained"
    return f"{text}, the last one begun {begun[-1].replace('T', ' ')[:16]} UTC" if begun else text
