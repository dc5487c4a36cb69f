"""Reports in a headless browser: nothing on the console, usable with the keyboard, readable on a telephone."""

import shutil
import time

import pytest

import dlpipe
from dlpipe_report.page.report import report_of_run, report_of_runs, report_of_sweep

FOCUSED = "const at = document.activeElement; return at.id || at.name || at.className || at.textContent"


@pytest.fixture
def page(trained, tmp_path):
    path = tmp_path / "report.html"
    path.write_bytes(report_of_run(dlpipe.Run(trained)))
    return path


@pytest.fixture
def sweep_page(swept, tmp_path):
    path = tmp_path / "sweep.html"
    path.write_bytes(report_of_sweep(dlpipe.Sweep(swept)))
    return path


@pytest.fixture
def runs_page(trained, tmp_path):
    copies = [shutil.copytree(trained, tmp_path / f"run{index}") for index in range(50)]
    path = tmp_path / "runs.html"
    path.write_bytes(report_of_runs([dlpipe.Run(copy) for copy in copies]))
    return path


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("name", ["page", "sweep_page", "runs_page"])
def test_the_page_is_as_wide_as_the_window(opened, request, name, width):
    browser = opened(request.getfixturevalue(name), width)
    assert browser.run("const page = document.documentElement; return page.scrollWidth - page.clientWidth") == 0
    assert browser.run("return document.querySelectorAll('.u-wrap canvas').length") == 2  # error and loss


def test_controls_are_reached_in_the_order_of_the_page(opened, page):
    browser = opened(page)
    reached = []
    for _ in range(60):
        browser.press("Tab")
        reached.append(browser.run(FOCUSED))
    order = ["skip", "axis", "scale", "plot", "examples-all"]
    wanted = [name for name in reached if name in order]
    assert list(dict.fromkeys(wanted)) == ["skip", "axis", "scale", "plot"]
    assert (
        browser.run("return [...document.querySelectorAll('#matrix button')].filter((b) => b.tabIndex === 0).length")
        == 1
    )


def test_a_chart_is_read_zoomed_and_reset_with_the_keyboard(opened, page):
    browser = opened(page)
    scale = "const { min, max } = charts[0].u.scales.x; return max - min"
    whole = browser.run(scale)
    browser.run("charts[0].plot.focus()")
    browser.press("ArrowRight", "ArrowRight")
    assert browser.run("return charts[0].readout.textContent").startswith("update ")
    browser.press("+")
    assert browser.run(scale) < whole
    browser.press("Escape")
    assert browser.run(scale) == whole


def test_dragging_zooms_in(opened, page):
    browser = opened(page)
    scale = "const { min, max } = charts[0].u.scales.x; return max - min"
    whole = browser.run(scale)
    browser.run("charts[0].plot.scrollIntoView({ block: 'center' })")
    x, y, width = browser.run("const b = charts[0].u.over.getBoundingClientRect(); return [b.x, b.y + 50, b.width]")
    browser.draw([(round(x + share * width), round(y)) for share in (0.3, 0.4, 0.5, 0.6)])
    browser.wait_for(f"{scale.replace('return', 'return 0.5 *')} < {whole} / 2", 5)


def test_the_axes_are_chosen(opened, page):
    browser = opened(page)
    first = "return charts[0].u.data[0].at(-1)"
    updates = browser.run(first)
    browser.run("document.querySelector('[name=axis][value=e]').click()")
    assert browser.run(first) == 3 < updates
    browser.run("document.querySelector('[name=scale][value=log]').click()")
    assert browser.run("return charts.map((chart) => chart.u.scales.y.distr)") == [3, 3]


def test_a_curve_is_hidden_by_its_button(opened, page):
    browser = opened(page)
    browser.run("charts[0].legend.querySelector('button').focus()")
    browser.press("Enter")
    assert browser.run("return [charts[0].u.series[1].show, document.activeElement.ariaPressed]") == [False, "false"]


def test_a_cell_of_the_matrix_shows_its_examples(opened, page):
    browser = opened(page)
    everything = browser.run("return document.querySelectorAll('#examples li').length")
    assert everything > 0
    browser.run("document.querySelector('#matrix .miss button:not(.zero)').focus()")
    browser.press("Enter")
    count = int(browser.run("return document.activeElement.textContent"))
    assert browser.run("return document.querySelectorAll('#examples li').length") == count
    browser.run("document.getElementById('examples-all').click()")
    assert browser.run("return document.querySelectorAll('#examples li').length") == everything


def test_arrow_keys_move_in_the_matrix(opened, page):
    browser = opened(page)
    browser.run("document.querySelector('#matrix button').focus()")
    browser.press("ArrowRight", "ArrowDown")
    assert browser.run("const { dataset } = document.activeElement; return [dataset.true, dataset.predicted]") == [
        "1",
        "1",
    ]


def test_a_table_is_sorted_by_a_button_in_its_header(opened, sweep_page):
    browser = opened(sweep_page)
    column = "return [...document.querySelectorAll('#jobs tbody tr')].map((row) => row.cells[4].textContent)"
    browser.run("document.querySelector('#jobs thead').rows[0].cells[4].querySelector('button').focus()")
    browser.press("Enter")
    assert browser.run(column) == ["1", "1", "2", "2"]
    browser.press("Enter")
    assert browser.run(column) == ["2", "2", "1", "1"]
    assert browser.run("return document.activeElement.parentElement.ariaSort") == "descending"


def test_dragging_along_an_axis_keeps_the_jobs_that_pass_there(opened, sweep_page):
    browser = opened(sweep_page)
    browser.run("document.querySelector('.handle').scrollIntoView({ block: 'center' })")
    x, y, height = browser.run(
        "const b = document.querySelector('.handle').getBoundingClientRect(); return [b.x + 16, b.y, b.height]"
    )
    browser.draw([(round(x), round(y + share * height)) for share in (0.01, 0.1, 0.2, 0.3)])
    assert browser.run("return document.querySelector('#coordinates-readout').textContent") == "2 of 4 jobs"
    assert browser.run("return document.querySelectorAll('#jobs tr.out').length") == 2
    browser.run("document.getElementById('coordinates-clear').click()")
    assert browser.run("return document.querySelectorAll('#jobs tr.out').length") == 0


def test_ticks_that_would_touch_are_left_out_but_not_the_ends(opened, sweep_page):
    ticks = "[['a', 0], ['b', 0.03], ['c', 0.5], ['d', 0.97], ['e', 1]]"
    kept = opened(sweep_page).run(f"return apart({ticks}).map(([text]) => text)")
    assert kept == ["a", "c", "e"]


def test_markup_in_names_is_not_run(opened, copied, tmp_path):
    hostile = "<img src=x onerror=window.hacked=1><script>window.hacked=1</script>"
    (copied / "metrics.csv").write_text(f"step,epoch,{hostile}\n0,0,0.5\n1,0,1\n")
    directory = copied.rename(copied.parent / "<img src=x onerror=window.hacked=1>")
    (directory / "figures" / "<img src=x onerror=alert(1)>.png").write_bytes(
        (directory / "figures/filters.png").read_bytes()
    )
    path = tmp_path / "hostile.html"
    path.write_bytes(report_of_run(dlpipe.Run(directory)))
    browser = opened(path)
    assert browser.run("return [window.hacked ?? 0, document.querySelectorAll('img[src=x]').length]") == [0, 0]
    assert hostile in browser.run("return document.getElementById('charts').textContent")


def test_fifty_runs_open_soon(opened, runs_page):
    start = time.monotonic()
    browser = opened(runs_page)
    seconds = time.monotonic() - start
    assert browser.run("return document.querySelectorAll('button.swatch').length") == 50
    assert seconds < 30, "about 1 s on a machine that does nothing else"


def test_all_curves_are_hidden_and_shown_at_once(opened, runs_page):
    browser = opened(runs_page)
    shown = "return charts[0].u.series.slice(1).filter((series) => series.show).length"
    browser.run("document.getElementById('runs-none').click()")
    assert browser.run(shown) == 0
    browser.run("document.querySelector('button.swatch').click()")
    assert browser.run(shown) == 1
    browser.run("document.getElementById('runs-all').click()")
    assert browser.run(shown) == 50
