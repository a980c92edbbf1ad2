"""The PDF of five pages: complete, reproducible, and drawn whatever the numbers are."""

import re
from dataclasses import replace

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from lightning_pose.evaluation import plots
from lightning_pose.evaluation.colors import kind_colors
from lightning_pose.evaluation.plots import draw_ood_plots

PAGES = ["error_per_keypoint", "error_scatter", "error_vs_deviation", "numbers", "risk_coverage"]
MAGENTA = "#fe01fd"
FIRST_OF_PALETTE = "#0072B2"


def page_count(path):
    return len(re.findall(rb"/Type /Page\b", path.read_bytes()))


@pytest.fixture(scope="module")
def pair(comparison):
    return [comparison("InD"), comparison("OOD")]


@pytest.fixture(scope="module")
def drawn(pair, tmp_path_factory):
    """Draw into a folder that is not there yet; return the PDF and the folder of the pictures."""
    folder = tmp_path_factory.mktemp("plots")
    draw_ood_plots(pair, folder / "new" / "plots.pdf", figures_dir=folder / "pictures")
    return folder / "new" / "plots.pdf", folder / "pictures"


def test_five_pages_and_a_picture_of_each(drawn) -> None:
    pdf, pictures = drawn
    assert page_count(pdf) == 5
    assert [path.name for path in pdf.parent.iterdir()] == ["plots.pdf"]
    files = [f"{name}.{suffix}" for name in PAGES for suffix in ("pdf", "png")]
    assert sorted(path.name for path in pictures.iterdir()) == files
    for path in pictures.glob("*.png"):
        assert page_count(path.with_suffix(".pdf")) == 1
        with Image.open(path) as picture:
            assert picture.format == "PNG" and picture.width > 1000
            assert np.ptp(np.asarray(picture.convert("L"))) > 100


def test_the_same_numbers_give_the_same_bytes(drawn, pair, tmp_path) -> None:
    pdf, pictures = drawn
    draw_ood_plots(pair, tmp_path / "again.pdf", figures_dir=tmp_path)
    assert (tmp_path / "again.pdf").read_bytes() == pdf.read_bytes()
    for page in PAGES:
        for name in (f"{page}.pdf", f"{page}.png"):
            assert (tmp_path / name).read_bytes() == (pictures / name).read_bytes()


def has_color(path, color):
    wanted = [int(color[i : i + 2], 16) for i in (1, 3, 5)]
    with Image.open(path) as picture:
        return bool((np.asarray(picture.convert("RGB")) == wanted).all(-1).any())


def test_colors_of_kinds_are_honoured(drawn, pair, tmp_path) -> None:
    draw_ood_plots(pair, tmp_path / "plots.pdf", {"pose": MAGENTA, "other": "#000001"}, tmp_path)
    page = "error_vs_deviation.png"
    assert has_color(tmp_path / page, MAGENTA)
    assert has_color(tmp_path / page, FIRST_OF_PALETTE)  # of the kind without a colour of its own
    assert not has_color(drawn[1] / page, MAGENTA)


def test_lines_are_vectors_and_the_callers_style_is_left_alone(pair, tmp_path) -> None:
    with mpl.rc_context({"pdf.compression": 0, "font.size": 7}):
        draw_ood_plots(pair, tmp_path / "plots.pdf", {"pose": "#ff0000"})
        assert mpl.rcParams["font.size"] == 7
    content = (tmp_path / "plots.pdf").read_bytes()
    assert re.search(rb"\b1 0 0 RG\b", content)
    assert b"/Subtype /Image" not in content


@pytest.mark.parametrize(
    ("ind", "ood"),
    [
        ({"kinds": ["single"] * 2}, {"kinds": ["single"] * 2}),
        ({"frames": 1, "keypoints": 1}, {"frames": 1, "keypoints": 1}),
        ({"frames": 0}, {}),
        ({"known": 0.0}, {}),
        ({"kinds": list("abcdefghij") * 2}, {"kinds": list("abcdefghij") * 2}),
    ],
    ids=["one kind", "one keypoint", "no InD frame", "nothing known InD", "many kinds"],
)
def test_five_pages_from_any_numbers(comparison, tmp_path, ind, ood) -> None:
    draw_ood_plots([comparison("InD", **ind), comparison("OOD", **ood)], tmp_path / "plots.pdf")
    assert page_count(tmp_path / "plots.pdf") == 5


@pytest.mark.parametrize(
    "options",
    [{"kinds": ["single"]}, {"known": 0.0}, {"frames": 0}],
    ids=["one member", "all NaN", "no frame"],
)
def test_five_pages_where_nothing_can_be_drawn(comparison, tmp_path, options) -> None:
    draw_ood_plots([comparison("InD", **options), comparison("OOD", **options)], tmp_path / "plots.pdf")
    assert page_count(tmp_path / "plots.pdf") == 5


def test_five_pages_where_the_members_agree_and_are_right(comparison, tmp_path) -> None:
    perfect = comparison()
    perfect.errors[:], perfect.deviation[:] = 0.0, 0.0
    draw_ood_plots([perfect], tmp_path / "plots.pdf")
    assert page_count(tmp_path / "plots.pdf") == 5


@pytest.fixture(scope="module")
def page(comparison):
    """Return a maker of one page of ten kinds, whose names are long; laid out."""
    kinds = [f"pose-a_long_name_of_a_variant-{25 + i}frames_1.8" for i in range(10)]
    comparisons = [comparison(name, kinds, keypoints=2) for name in ("InD", "OOD")]

    def make(name):
        with mpl.rc_context(plots.STYLE):
            figure = getattr(plots, name)(comparisons, kind_colors(kinds))
            FigureCanvasAgg(figure).draw()
        return figure

    return make


@pytest.mark.parametrize("name", ["_curve_page", "_risk_page", "_keypoint_page", "_scatter_page"])
def test_legends_of_many_long_names_stay_on_the_page_and_off_the_panels(page, name) -> None:
    figure = page(name)
    legends = [*figure.legends, *(own for axis in figure.axes if (own := axis.get_legend()))]
    assert legends
    for legend in legends:
        box = legend.get_window_extent()
        assert box.x0 >= 0 and box.x1 <= figure.bbox.x1 and box.y0 >= 0 and box.y1 <= figure.bbox.y1
        assert not any(box.overlaps(axis.bbox) for axis in figure.axes)
    assert min(axis.bbox.height for axis in figure.axes) > figure.dpi  # pixels: an inch of panel at least


def test_long_names_do_not_run_into_the_cells_beside_them(page) -> None:
    figure = page("_numbers_page")
    renderer = figure.canvas.get_renderer()
    for axis in figure.axes:
        for (row, column), cell in axis.tables[0].get_celld().items():
            text = cell.get_text().get_window_extent(renderer)
            own = cell.get_window_extent(renderer)
            assert text.x0 >= own.x0 and text.x1 <= own.x1, (row, column)


def test_kinds_of_one_color_look_different(page) -> None:
    boxes = [own for own in page("_keypoint_page").axes[0].patches if own.get_facecolor()]
    assert len({(own.get_facecolor(), own.get_hatch()) for own in boxes}) == 10
    points = page("_scatter_page").axes[0].collections
    looks = {(tuple(own.get_facecolor()[0]), len(own.get_paths()[0].vertices)) for own in points}
    assert len(looks) == 10


def test_a_band_that_reaches_nearly_down_to_zero_stretches_no_axis(comparison) -> None:
    own = comparison("OOD", known=1.0)
    errors, deviation = np.full_like(own.errors, 1e-6), np.ones_like(own.deviation)
    errors[:, 0], deviation[0] = 500.0, 2.0  # one frame of seven: as large a standard error as mean
    own = replace(own, errors=errors, deviation=deviation)
    figure = plots._curve_page([own], kind_colors(own.kinds))
    assert figure.axes[0].get_ylim()[0] > 10
