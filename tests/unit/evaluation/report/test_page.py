"""The page says what the results are; in a real browser it loads nothing, and fits a phone."""

import csv
import re
import shutil

import numpy as np
import pytest

from lightning_pose.cli.main import main
from lightning_pose.evaluation.plots import draw_ood_plots
from lightning_pose.evaluation.report.contents import read_contents
from lightning_pose.evaluation.report.files import FIGURES
from lightning_pose.evaluation.report.page import write_report
from lightning_pose.evaluation.sweep_table import spread
from lightning_pose.io.files import write_json
from tests.unit.evaluation.report.made_up import (
    IND,
    KEYPOINTS,
    LEFT_OVER,
    OOD,
    make_results,
    write_errors,
    write_model,
    write_png,
)
from tests.unit.evaluation.report.test_html import Reader

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PHONE = {"width": 360, "height": 740}


@pytest.fixture
def page(results):
    """Return a writer of the report, which returns its text and what it shows."""

    def write() -> tuple[str, str]:
        write_report(read_contents(results), results / "report.html", results.name)
        markup = (results / "report.html").read_text()
        return markup, Reader(re.sub(r"<style>.*?</style>", "", markup, flags=re.S)).text

    return write


def test_numbers_have_intervals_over_seeds_and_a_verdict(page) -> None:
    _, text = page()
    single, pose = spread([9.0, 11.0]), spread([3.5, 4.5])
    for own in (single, pose):
        low, high = own.interval()
        assert f"{own.mean:.2f}{low:.2f} to {high:.2f}" in text
    assert re.search(r"On 12 OOD frames, pose_1\.8 errs 6\.00 px less than single", text)
    assert "better" in text and "Unfinished" not in text


def test_how_often_intervals_hold_is_told(results, page) -> None:
    assert "Not calibrated yet" in page()[1]
    coverage = {"InD": {"share": 0.913, "n": 40}, "all": {"share": float("nan"), "n": 0}}
    folder = results / "ensemble" / "pose_1.8"
    write_json({"held_out_coverage": coverage}, folder / "calibration.json")
    (folder / "video_preds" / "day 3.mp4").mkdir(parents=True)
    (folder / "video_preds" / "day 3.mp4" / "expected_error.pdf").write_text("")
    markup, text = page()
    assert "pose_1.8InD4091.3 %pose_1.8all0–" in text
    assert 'href="ensemble/pose_1.8/video_preds/day%203.mp4/expected_error.pdf"' in markup
    write_json({}, folder / "calibration.json")
    assert "calibration.json: expected a calibration by litpose calibrate" in page()[1]


def test_another_tool_is_in_tables_and_findings_and_told_where_it_was_not_scored(results, tmp_path) -> None:
    write_errors(results / "external" / "sleap_0", OOD, 20.0)
    config = tmp_path / "bird.yaml"
    external = "{sleap: {ind: [a], ood: [b]}}"
    config.write_text(
        f"workflow: {{ind_csv: ind.csv, ood_csv: ood.csv, seeds: [0, 1], external: {external}}}"
    )
    write_report(read_contents(results, config), results / "report.html", results.name)
    markup = (results / "report.html").read_text()
    text = Reader(re.sub(r"<style>.*?</style>", "", markup, flags=re.S)).text
    assert "sleap1 of 120.00" in text and "sleap0 of 1" in text
    assert re.search(r"On 12 OOD frames, sleap errs 10\.00 px more than single", text)
    assert "Predictions of other tools that were not scored yet: sleap 0 on ind.csv." in text
    assert "Unfinished" not in text


def test_noise_is_not_called_a_gain(results, page) -> None:
    path = results / "pose_0_1.8" / "image_preds" / f"cropped_{OOD}" / "remapped_predictions_pixel_error.csv"
    rows = list(csv.reader(path.open()))
    noise = 10 + np.random.default_rng(1).normal(0, 3, (len(rows) - 1, 2))
    for member in ("pose_0_1.8", "pose_1_1.8"):
        own = results / member / path.relative_to(results / "pose_0_1.8")
        lines = [[name, *values] for (name, *_), values in zip(rows[1:], noise.tolist(), strict=True)]
        own.write_text("\n".join(",".join(map(str, line)) for line in [rows[0], *lines]))
    _, text = page()
    assert re.search(r"On 12 OOD frames, pose_1\.8 is not told apart from single", text)


def test_settings_images_and_timings_are_told(page) -> None:
    _, text = page()
    assert "model.backboneresnet18mobilenetv3_small_050" in text  # the row of what differs
    assert f"{IND} (9 labelled images, InD)" in text and "30 steps" in text
    assert "train_detector22 min2 min1.5800" in text  # jobs, in all, longest, cores, megabytes
    assert "score10.5 s0.5 s––" in text and "all32 min2 min1.5800" in text
    assert f"left out: {LEFT_OVER}" in text


def test_seeds_that_were_trained_unlike_are_told(results, page) -> None:
    shutil.rmtree(results / "single_1")
    write_model(results / "single_1", "efficientnet_b0")
    assert "Seeds of single were trained with different settings: model.backbone." in page()[1]


def test_what_is_missing_stands_at_the_beginning(tmp_path) -> None:
    results = make_results(tmp_path, ("single_0", "pose_0_1.8"))
    assert main(["report", str(results), "--title", "a <bird>"]) == 0
    text = Reader((results / "report.html").read_text()).text
    assert "Unfinished: 2 of 4 models incomplete" in text
    assert "single, seed 1: not trained" in text and "a <bird>" in text
    assert text.index("Unfinished") < text.index("95 % interval over seeds")
    assert "1 of 2" in text  # seeds; their interval is undefined
    assert "Not there yet: error_vs_deviation" in text


def test_names_stay_text_and_nothing_is_loaded_or_run(results, page) -> None:
    write_png(results / "figures" / "numbers.png")
    markup, text = page()
    read = Reader(markup)
    assert KEYPOINTS[1] in text and "script" not in read.tags
    policy = dict(read.attributes)["content"]  # of the last of them
    assert policy.startswith("default-src 'none'; img-src data:;")
    loaded = [value for name, value in read.attributes if name in ("src", "srcset", "data", "action")]
    assert loaded and all(value.startswith("data:") for value in loaded)
    assert not re.search(r"@import|url\(", markup)
    assert not [name for name, _ in read.attributes if name.startswith("on")]


def test_figures_are_inside_with_what_is_behind_them(results, page) -> None:
    write_png(results / "figures" / "risk_coverage.png", 5, 4)
    for name in ("risk_coverage.pdf", "risk_coverage.csv"):
        (results / "figures" / name).write_text("")
    markup, _ = page()
    assert re.search(
        r'<img src="data:image/png;base64,[^"]+" alt="Mean pixel error of what[^"]+" width="5" height="4"',
        markup,
    )
    assert 'href="figures/risk_coverage.pdf"' in markup and 'href="figures/risk_coverage.csv"' in markup
    (results / "figures" / "numbers.png").write_text("no picture")
    assert "numbers.png: expected a PNG, found another file" in page()[1]


def test_links_lead_from_where_the_page_lies(results, tmp_path) -> None:
    (results / "ood_metrics.csv").write_text("")
    output = tmp_path / "elsewhere" / "page.html"
    assert main(["report", str(results), "--output", str(output)]) == 0
    (link,) = re.findall(r'<a href="([^"]*ood_metrics[^"]*)">', output.read_text())
    assert link == "../results/bird%20%3C1%3E/ood_metrics.csv"


def test_the_figures_told_are_the_pages_of_the_plots(comparison, tmp_path) -> None:
    draw_ood_plots([comparison()], tmp_path / "plots.pdf", figures_dir=tmp_path / "figures")
    drawn = sorted((tmp_path / "figures").iterdir(), key=lambda path: path.stat().st_mtime_ns)
    assert [path.stem for path in drawn if path.suffix == ".png"] == list(FIGURES)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nowhere"], "nowhere: expected results of a data set"),
        (["nowhere", "--output", "page.pdf"], "--output: expected a name that ends in .html, found page.pdf"),
        (["nowhere", "--config", "no.yaml"], "no.yaml: expected a config file"),
    ],
)
def test_mistakes_are_answered_in_a_line(arguments, told, capsys, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["report", *arguments]) == 2
    assert told in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright, to drive a browser")
    if CHROMIUM is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    with playwright.sync_playwright() as driver:
        own = driver.chromium.launch(
            executable_path=CHROMIUM, args=["--headless", "--no-sandbox", "--disable-gpu"]
        )
        yield own
        own.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_in_a_browser(results, page, browser, scheme) -> None:
    write_png(results / "figures" / "numbers.png", 1400, 600)
    page()
    tab = browser.new_context(viewport=PHONE, color_scheme=scheme).new_page()
    wrong, asked = [], []
    tab.on("console", lambda message: wrong.append(message.text))
    tab.on("pageerror", lambda error: wrong.append(str(error)))
    tab.on("request", lambda request: asked.append(request.url))
    address = (results / "report.html").as_uri()
    tab.goto(address)
    assert not wrong
    assert [url for url in asked if not url.startswith("data:")] == [address]
    assert tab.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert tab.locator("h1").inner_text() == results.name
    assert tab.evaluate(
        "[...document.images].every(own => own.complete && own.naturalWidth > 0 || own.loading === 'lazy')"
    )
    assert least_contrast(tab) >= 4.5


def least_contrast(tab) -> float:
    """Return the least contrast of a text to what is behind it, by WCAG 2.1's formula."""
    return tab.evaluate("""() => {
        const parse = text => text.match(/[\\d.]+/g).map(Number);
        const light = rgb => rgb.slice(0, 3).map(v => v / 255)
            .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
            .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
        const behind = own => {
            for (; own; own = own.parentElement) {
                const color = parse(getComputedStyle(own).backgroundColor);
                if (color.length === 3 || color[3] > 0) return color;
            }
            return [255, 255, 255];
        };
        const names = "p, li, td, th, dt, dd, a, h1, h2, h3, caption, figcaption, summary, text";
        const texts = [...document.querySelectorAll(names)];
        return Math.min(...texts.map(own => {
            const style = getComputedStyle(own);
            const front = parse(own.tagName === "text" ? style.fill : style.color);
            const [a, b] = [light(front), light(behind(own))].sort((x, y) => y - x);
            return (a + 0.05) / (b + 0.05);
        }));
    }""")
