"""The page in a real browser: it shows what is asked for, loads its pictures, and complains of nothing."""

import inspect
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.unit.evaluation.gallery.made_up import (
    FALLBACK_ROW,
    FILM_FRAMES,
    KEYPOINTS,
    OUTSIDE_ROW,
    UNSURE_FRAME,
)
from tests.unit.io.films import place

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync")  # fmt: skip
PATIENCE_S = 20
PHONE = {"width": 390, "height": 780}


@pytest.fixture(scope="module")
def browser() -> Iterator:
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright, to drive a browser")
    if CHROMIUM is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    with playwright.sync_playwright() as driver:
        own = driver.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield own
        own.close()


@pytest.fixture(scope="module")
def address(site) -> Iterator[str]:
    """Serve the gallery as `python -m http.server` does."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(site.folder / "gallery")))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/index.html"
    server.shutdown()
    thread.join()
    server.server_close()


class Visit:
    """A page that was opened, and everything that went wrong with it."""

    def __init__(self, browser, address: str, **options) -> None:
        self.page = browser.new_context(**options).new_page()
        self.page.set_default_timeout(30_000)
        self.wrong: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.wrong.append(message.text))
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("requestfailed", lambda request: self.wrong.append(request.url))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(address)

    def choose(self, key: str, value: str) -> None:
        self.page.select_option(f'[data-key="{key}"]', value)

    def fill(self, key: str, value: str) -> None:
        self.page.fill(f'[data-key="{key}"]', value)

    @property
    def count(self) -> int:
        return int(self.page.inner_text("#count").split()[0])

    def names(self) -> list[str]:
        cells = self.page.locator(".cell a").all()
        return [cell.get_attribute("title") for cell in cells]


@pytest.fixture
def visit(browser, address) -> Iterator[Visit]:
    own = Visit(browser, address)
    yield own
    assert own.wrong == []
    own.page.context.close()


def eventually(holds: Callable[[], object]) -> None:
    """Wait until something holds: a page draws what was asked for a little later."""
    until = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < until, inspect.getsource(holds).strip()
        time.sleep(0.05)


def loaded(page) -> bool:
    """Say whether every thumbnail on the page has been decoded."""
    page.wait_for_function("[...document.querySelectorAll('.cell img')].every((image) => image.complete)")
    return page.evaluate("[...document.querySelectorAll('.cell img')].every((i) => i.naturalWidth === 192)")


def test_it_shows_the_worst_frames_first_and_only_what_the_screen_holds(visit) -> None:
    eventually(lambda: visit.count == 90)
    eventually(lambda: visit.names()[:2] == ["day 2/img059.png", "day 2/img058.png"])
    eventually(lambda: len(visit.names()) < 60)
    eventually(lambda: loaded(visit.page))
    visit.page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
    visit.page.wait_for_selector("[title='day 1/img000.png']")
    eventually(lambda: loaded(visit.page) and "day 2/img059.png" not in visit.names())


def test_what_there_is_one_of_has_no_plural(visit) -> None:
    assert visit.page.inner_text("#summary").startswith("90 frames (")
    visit.page.evaluate("gallery.data.count = 1; gallery.data.members.length = 1")
    visit.page.evaluate("gallery.makeControls(); gallery.update()")
    assert visit.page.inner_text("#summary").startswith("1 frame (")
    assert ", 1 member, " in visit.page.inner_text("#summary")
    assert " of 1 frame (" in visit.page.inner_text("#count")


def test_nothing_is_loaded_from_elsewhere(visit, address) -> None:
    eventually(lambda: loaded(visit.page))
    own = address.removesuffix("index.html")
    assert [url for url in visit.asked if not url.startswith((own, "data:"))] == []
    assert any(url.endswith(".jpg") for url in visit.asked)


def test_filters_change_what_is_shown(visit) -> None:
    visit.choose("set", "validation")
    eventually(lambda: visit.count == 10 and all(name.startswith("day 1") for name in visit.names()))
    visit.choose("set", "")
    visit.choose("session", "day 2")
    eventually(lambda: visit.count == 60)
    visit.choose("failure", "fallback")
    eventually(lambda: visit.names() == [f"day 2/img{FALLBACK_ROW:03d}.png"])
    visit.choose("failure", "any")
    eventually(lambda: visit.count == 2)
    visit.choose("failure", "")
    visit.choose("kind", "single")
    # the mean error of the detectors is (2 + 4) / 2 px times the number of the frame
    visit.fill("error", "177")
    eventually(lambda: visit.count == 2)
    visit.choose("kind", "pose_1.8")
    eventually(lambda: visit.count == 0)
    visit.page.click("#reset")
    eventually(lambda: visit.count == 90)


def test_sorting_by_other_measures(visit) -> None:
    failed = [f"day 2/img{row:03d}.png" for row in (FALLBACK_ROW, OUTSIDE_ROW)]
    visit.choose("sort", "path")
    eventually(lambda: visit.names()[0] == "day 1/img000.png")
    visit.page.check('[data-key="reverse"]')
    eventually(lambda: visit.names()[0] == "day 2/img059.png")
    visit.page.click("#reset")
    visit.choose("sort", "failure")
    eventually(lambda: visit.names()[:3] == [*failed, "day 2/img059.png"])
    visit.choose("sort", "set")
    eventually(
        lambda: visit.names()[0] == "day 1/img027.png"
    )  # the worst of every third, which are for training
    visit.page.check('[data-key="reverse"]')
    eventually(lambda: visit.names()[0] == "day 2/img059.png")
    visit.page.click("#reset")
    visit.choose("sort", "confidence")
    eventually(lambda: set(visit.names()[:2]) == {"day 1/img029.png", "day 2/img059.png"})
    visit.fill("below", "0.5")
    eventually(lambda: visit.count == 2)


def test_a_frame_shows_members_mean_labels_boxes_and_numbers(visit) -> None:
    visit.page.click("[title='day 2/img058.png']")
    visit.page.wait_for_selector("#frame figure")
    eventually(lambda: visit.page.locator("figure").count() == 3)  # whole frame, two kinds
    numbers = visit.page.locator("tbody tr").first.locator("td").all_inner_texts()
    # of 59 steps: detectors off by -2 and 4 px, their mean by 1, half their distance 3 in x and 0 in y
    assert numbers[:4] == ["177.0", "59.0", "88.5", "0.90"]
    assert numbers[4:] == ["44.3", "14.8", "22.1", "0.90"]
    # row 58 of the pose models: boxes of two members, each drawn with a rim
    eventually(lambda: visit.page.locator("figure:first-of-type path[stroke-dasharray]").count() == 4)
    visit.page.keyboard.press("b")
    eventually(lambda: visit.page.locator("path[stroke-dasharray]").count() == 0)
    shown = visit.page.evaluate(
        "(async () => { const image = new Image(); image.src = document.querySelector('#frame image')"
        ".getAttribute('href'); await image.decode(); return [image.naturalWidth, image.naturalHeight]; })()"
    )
    assert shown == [160, 120]


def test_names_from_data_are_text(visit) -> None:
    visit.page.click("[title='day 2/img058.png']")
    visit.page.check('[data-key="names"]')
    eventually(lambda: visit.page.locator("#frame b, #controls b").count() == 0)
    eventually(lambda: KEYPOINTS[1] in visit.page.locator("tbody th").all_inner_texts())
    eventually(lambda: KEYPOINTS[1] in visit.page.locator("#frame svg text").all_text_contents())


def test_a_path_that_begins_with_a_date_is_read_from_left_to_right(visit) -> None:
    visit.page.evaluate("gallery.data.paths[89] = '20230105_bird/1.png'; gallery.update()")
    eventually(lambda: "20230105_bird/1.png" in visit.names())
    places = visit.page.evaluate("""() => {
      const name = document.querySelector('[title^="2023"] .name');
      const text = document.createTreeWalker(name, NodeFilter.SHOW_TEXT).nextNode(), range = new Range();
      return [...text.data].map((_, i) => {
        range.setStart(text, i);
        range.setEnd(text, i + 1);
        return range.getBoundingClientRect().x;
      });
    }""")
    assert len(places) == 19 and places == sorted(places)


def test_keys_go_from_frame_to_frame(visit) -> None:
    page = visit.page
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    eventually(lambda: page.evaluate("document.activeElement.title") == "day 2/img058.png")
    page.keyboard.press("End")
    eventually(lambda: page.evaluate("document.activeElement.title") == visit.names()[-1])
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    eventually(lambda: page.inner_text("#frame-name") == "day 2/img059.png")
    page.keyboard.press("j")
    eventually(lambda: page.inner_text("#frame-name") == "day 2/img058.png")
    page.keyboard.press("Escape")
    eventually(lambda: page.is_hidden("#frame"))
    eventually(lambda: page.evaluate("document.activeElement.title") == "day 2/img058.png")
    page.keyboard.press("Enter")
    eventually(lambda: page.inner_text("#frame-name") == "day 2/img058.png" and page.is_visible("#frame"))
    page.go_back()
    eventually(lambda: page.is_hidden("#frame"))


def test_a_reset_leaves_the_frame_and_the_clip_that_are_looked_at(visit) -> None:
    page = visit.page
    page.click("[title='day 2/img059.png']")
    page.wait_for_selector("#frame figure")
    page.click("#reset")  # with nothing to reset
    page.keyboard.press("j")
    eventually(lambda: page.inner_text("#frame-name") == "day 2/img058.png")
    page.uncheck('[data-key="mean"]')
    page.click("#reset")
    eventually(lambda: page.is_checked('[data-key="mean"]') and page.is_visible("#frame"))
    page.click("#to-videos")
    page.wait_for_selector("#moment-0-1")
    page.click("#moment-0-1")
    page.uncheck('[data-key="mean"]')
    page.click("#reset")
    eventually(lambda: page.is_checked('[data-key="mean"]') and page.is_visible("#videos"))
    assert page.get_attribute("#moment-0-1", "aria-pressed") == "true"


def test_a_permalink_brings_back_the_view(visit, browser) -> None:
    visit.choose("kind", "pose_1.8")
    visit.choose("keypoint", KEYPOINTS[1])
    visit.fill("deviation", "3.2")
    visit.page.fill('[data-key="color.pose_1.8"]', "#12ab34")
    count = visit.count
    assert 0 < count < 90
    visit.page.click("[title='day 2/img050.png']")
    visit.page.wait_for_selector("#frame figure")
    again = Visit(browser, visit.page.url)
    eventually(lambda: again.page.inner_text("#frame-name") == "day 2/img050.png")
    eventually(lambda: again.count == count)
    eventually(lambda: again.page.input_value('[data-key="deviation"]') == "3.2")
    eventually(lambda: again.page.locator('#frame path[stroke="#12ab34"]').count() > 0)
    assert again.wrong == []
    again.page.context.close()


def test_a_broken_permalink_shows_the_list(browser, address) -> None:
    own = Visit(
        browser,
        f"{address}#frame=nowhere.png&kind=none&color.single=javascript&error=x&set=none&other=1&toString=1",
    )
    eventually(lambda: own.page.input_value('[data-key="kind"]') == "all")
    eventually(lambda: own.count == 90 and own.page.is_hidden("#frame"))
    assert own.wrong == []
    own.page.context.close()


def test_the_path_of_a_frame_is_copied(browser, address) -> None:
    own = Visit(browser, address, permissions=["clipboard-read", "clipboard-write"])
    own.page.click("[title='day 2/img058.png']")
    own.page.click("#copy")
    own.page.wait_for_selector("#told:not(:empty)")
    eventually(lambda: own.page.evaluate("navigator.clipboard.readText()") == "day 2/img058.png")
    own.page.context.close()


BRIGHTEST_NEAR = """Math.max(...document.querySelector(".near canvas").getContext("2d")
    .getImageData(120, 120, 240, 240).data.filter((_, i) => i % 4 === 0))"""


def test_clips_follow_the_trace_and_the_slider(visit) -> None:
    page = visit.page
    page.click("#to-videos")
    page.wait_for_function("document.querySelector('video')?.readyState >= 2")
    eventually(lambda: page.is_hidden("#list"))
    eventually(lambda: page.locator(".moments button").count() == 2)
    start = page.evaluate("gallery.videos.clip.start")
    assert page.is_hidden("[data-key='sort']")  # which clips don't follow
    # it opens where the members differ most, with the animal enlarged
    eventually(lambda: page.inner_text(".scrub output") == f"{UNSURE_FRAME} of {FILM_FRAMES}")
    assert page.inner_text("#moment-0-0").startswith(f"{UNSURE_FRAME / 30:.1f} s: ")
    eventually(lambda: page.evaluate(BRIGHTEST_NEAR) > 200)
    eventually(lambda: page.locator(".near svg path").count() > 0)
    page.evaluate(f"gallery.videos.seek({UNSURE_FRAME} - {start})")
    page.wait_for_function("!document.querySelector('video').seeking")
    eventually(lambda: page.inner_text(".scrub output") == f"{UNSURE_FRAME} of {FILM_FRAMES}")
    # the film itself shows that frame, not its beginning
    assert page.evaluate("document.querySelector('video').currentTime") == pytest.approx(
        (UNSURE_FRAME - start + 0.5) / 30, abs=0.01
    )
    # the mean of two members lies half of 10 px off the square's corner
    x, y = place(UNSURE_FRAME)
    points = page.evaluate(f"gallery.videos.data.ensembleMean(1, {UNSURE_FRAME} - {start})")
    assert points[0] == pytest.approx([x + 5, y + 5], abs=0.01)
    eventually(lambda: page.locator(".player svg path").count() > 0)
    page.locator("#scrub").focus()
    page.keyboard.press("ArrowRight")
    eventually(lambda: page.inner_text(".scrub output") == f"{UNSURE_FRAME + 1} of {FILM_FRAMES}")
    page.click("#play")
    page.wait_for_function(f"gallery.videos.at !== {UNSURE_FRAME + 1} - {start}")
    page.evaluate("document.querySelector('video').pause()")  # or it has come to its end
    page.wait_for_function("document.querySelector('#play').innerText === 'Play'")
    box = page.locator(".trace").bounding_box()
    other = page.evaluate("gallery.videos.video.clips[1].start") + 2
    page.locator(".trace").click(position={"x": box["width"] * other / FILM_FRAMES, "y": 20})
    eventually(lambda: page.evaluate("gallery.state.values.clip") == "0.1")
    page.click("#to-frames")
    eventually(lambda: page.is_visible("#list") and page.is_hidden("#videos"))


def test_a_clip_of_a_video_with_odd_sides_is_drawn_over_where_it_lies(visit) -> None:
    visit.page.evaluate("gallery.videos.videos[0].size = [95, 63]")  # its clip has 96 x 64
    visit.page.click("#to-videos")
    visit.page.wait_for_function("document.querySelector('video')?.readyState >= 2")
    assert visit.page.get_attribute(".player svg", "viewBox") == "-0.5 -0.5 96 64"
    film, drawing = (visit.page.locator(f".player {own}").first.bounding_box() for own in ("video", "svg"))
    assert film == pytest.approx(drawing, abs=0.1)


@pytest.mark.parametrize("options", [{"viewport": PHONE}, {"color_scheme": "dark"}])
def test_it_works_from_the_disk_on_a_phone_and_in_the_dark(browser, site, options) -> None:
    own = Visit(browser, (site.folder / "gallery" / "index.html").as_uri(), **options)
    eventually(lambda: own.count == 90 and loaded(own.page))
    own.page.locator(".cell a").first.click()
    own.page.wait_for_selector("#frame figure")
    width = own.page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert width[0] <= width[1]  # nothing sticks out
    eventually(lambda: own.page.evaluate(LEAST_CONTRAST) >= 4.5)
    assert own.wrong == []
    own.page.context.close()


# the least contrast of text with what is behind it (WCAG 2.1, 1.4.3), over all elements with text
LEAST_CONTRAST = """() => {
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = (rgb) => rgb.slice(0, 3).map((v) => v / 255)
    .map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (element) => {
    for (let own = element; own; own = own.parentElement) {
      const color = parse(getComputedStyle(own).backgroundColor);
      if (color.length < 4 || color[3] > 0) return color;
    }
    return [255, 255, 255];
  };
  let least = 21;
  for (const element of document.querySelectorAll("body *:not(script):not(noscript)")) {
    const hasText = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!hasText || !element.getClientRects().length || element.closest("svg, select, [disabled]")) continue;
    const pair = [parse(getComputedStyle(element).color), behind(element)].map(light).sort((a, b) => b - a);
    least = Math.min(least, (pair[0] + 0.05) / (pair[1] + 0.05));
  }
  return least;
}"""
