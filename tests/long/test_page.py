"""The report's page in a real browser: it loads alone, answers to mouse and keys, and says what the CSV files say.

Screenshots of both themes and of a phone's width are left in build/screenshots, to be looked at.
"""

import csv
import shutil

import pytest
from study_factory import EFFECTS, HIDDEN, write_items, write_study
from varied_factory import SIXTY, SMALL, write_varied

from tests_support import ROOT, copy_store
from winnow.pipeline import report, report_together
from winnow.report.tables import INPUTS
from winnow.store import read_json
from winnow.text.printing import BOUNDS, heading
from winnow.verbs.watch import serving

pytestmark = pytest.mark.long
CHROMIUM = shutil.which("chromium")
SCREENSHOTS = ROOT / "build" / "screenshots"
PETA = 1e15
"""The unit that FLOPs of the planted study are said in."""
WIDE, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine: apt-get install chromium")
    with sync_api.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = write_study(tmp_path_factory.mktemp("page") / "s", licences={"choice_like": "unknown"})
    report(write_items(folder, hidden_set="choice_like"))
    return folder


@pytest.fixture
def opened(browser, study):
    """Opens a page; whatever it complains of, and whatever it asks the network for, is a failure."""
    contexts, complaints = [], []

    def open_page(path=study / "report.html", *, scheme="light", viewport=WIDE, scripts=True):
        context = browser.new_context(color_scheme=scheme, viewport=viewport, java_script_enabled=scripts)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda asked: complaints.append(asked.url) if not is_local(asked.url) else None)
        page.goto(path.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


def is_local(url):
    return url.startswith(("file:", "data:"))


def wait_until(holds, page, *, seconds=60):
    """Playwright's own waiting evaluates text, which the page's policy does not let it."""
    for _ in range(10 * seconds):
        if holds():
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"it did not happen within {seconds} s")


@pytest.mark.parametrize(("name", "scheme", "viewport"), [
    ("light", "light", WIDE), ("dark", "dark", WIDE), ("phone", "light", PHONE), ("phone_dark", "dark", PHONE),
])  # fmt: skip
def test_it_looks_right_everywhere(opened, name, scheme, viewport):
    page = opened(scheme=scheme, viewport=viewport)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "the page itself scrolls sideways"
    back = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert back == ("rgb(255, 255, 255)" if scheme == "light" else "rgb(20, 24, 30)")
    for kind in ("curves", "frontier"):
        assert is_drawn(page, kind)
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)


def is_drawn(page, kind):
    """Whether the canvas holds more than a few colours."""
    return page.evaluate(
        """kind => { const canvas = document.querySelector(`[data-kind=${kind}] canvas`);
        const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data, seen = new Set();
        for (let at = 0; at < data.length; at += 4) seen.add(data.slice(at, at + 4).join());
        return seen.size; }""",
        kind,
    ) > 20  # fmt: skip


def test_arms_are_toggled(opened):
    page = opened()
    curves = page.locator("[data-kind=curves]")
    lines = lambda: int(curves.get_attribute("data-lines"))  # noqa: E731
    assert lines() == len(EFFECTS)
    curves.get_by_label("herding_0.25").uncheck()
    assert lines() == len(EFFECTS) - 1
    curves.get_by_role("button", name="none").click()
    assert lines() == 0 and curves.get_by_text("No arm is chosen.").is_visible()
    curves.get_by_role("button", name="all").click()
    curves.get_by_label("Seeds").select_option("each")
    assert lines() == 3 * len(EFFECTS)


@pytest.mark.parametrize("axis", ["steps", "tokens", "flops", "seconds", "dollars"])
def test_every_axis_shows_what_the_tidy_table_has(opened, study, axis):
    from winnow.analysis.study_folder import load

    page = opened()
    curves = page.locator("[data-kind=curves]")
    curves.get_by_text("These curves as a table").click()
    curves.get_by_label("against").select_option(axis)
    for each in ("log x", "log y"):
        curves.get_by_label(each).check()
        curves.get_by_label(each).uncheck()
    shown = curves.locator(".as-table tbody tr").evaluate_all(
        "rows => rows.map(row => [row.cells[0].textContent, row.cells[1].textContent, ...[2, 3].map(at => "
        "Number(row.cells[at].dataset.value))])"
    )
    kept = [
        [run.arm, str(run.seed), costs_of(row)[axis], row.validation.loss]
        for run in load(study).runs.values() for row in run.evaluations
    ]  # fmt: skip
    assert [row[:2] for row in shown] == [row[:2] for row in kept]
    for place in (2, 3):
        assert [row[place] for row in shown] == pytest.approx([row[place] for row in kept], rel=1e-6)


def costs_of(row):
    return {
        "steps": row.step, "tokens": row.tokens, "flops": row.flops / PETA, "seconds": row.seconds,
        "dollars": row.seconds * 36.0 / 3600,
    }  # fmt: skip


def test_a_selections_cost_moves_its_curve(opened):
    page = opened()
    curves = page.locator("[data-kind=curves]")
    curves.get_by_text("These curves as a table").click()
    curves.get_by_label("against").select_option("seconds")
    first = "rows => rows.filter(row => row.cells[0].textContent === 'herding_0.25')[0].cells[2].dataset.value"
    assert float(curves.locator(".as-table tbody tr").evaluate_all(first)) == 0
    curves.get_by_label("with what the selection cost").check()
    assert float(curves.locator(".as-table tbody tr").evaluate_all(first)) == pytest.approx(9.5)


def test_the_frontier_is_what_nothing_cheaper_equals(opened):
    page = opened()
    frontier = page.locator("[data-kind=frontier]")
    frontier.get_by_text("This figure as a table").click()
    rows = frontier.locator(".as-table tbody tr").evaluate_all(
        "rows => rows.map(row => [Number(row.cells[1].dataset.value), Number(row.cells[2].dataset.value), "
        "row.cells[3].textContent])"
    )
    assert len(rows) == len(EFFECTS)
    for cost, loss, leads in rows:
        is_beaten = any(other < loss or (other == loss and price < cost) for price, other, _ in rows if price <= cost)
        assert leads == ("no" if is_beaten else "yes")


def test_tables_are_sorted_by_mouse_and_keys(opened, study):
    page = opened()
    table = page.locator('table[data-table="iso_compute"]')
    with (study / "tables" / "iso_compute.csv").open() as file:
        seconds = {row["arm"]: float(row["seconds"]) for row in csv.DictReader(file)}
    arms = lambda: table.locator("tbody th").all_text_contents()  # noqa: E731
    button = table.get_by_role("button", name="time", exact=True)
    button.click()
    assert [seconds[arm] for arm in arms()] == sorted(seconds.values())
    assert table.locator('th[aria-sort="ascending"]').count() == 1
    button.focus()
    page.keyboard.press("Enter")
    assert [seconds[arm] for arm in arms()] == sorted(seconds.values(), reverse=True)
    table.get_by_role("button", name="arm").click()
    assert arms() == sorted(seconds)


def test_every_number_in_the_page_is_the_csvs(opened, study):
    page = opened()
    read = """tables => tables.map(table => [
        table.dataset.table,
        [...table.tHead.rows[0].cells].map(each => each.textContent),
        [...table.tBodies[0].rows].map(
            row => [...row.cells].map(cell => [cell.textContent, cell.dataset.value ?? null]))])"""
    tables = {name: (head, rows) for name, head, rows in page.locator("table[data-table]").evaluate_all(read)}
    assert {"savings", "comparisons", "evaluation", "iso_compute", "ledger_arms", "ledger_stages"} <= set(tables)
    for name, (head, rows) in tables.items():
        with (study / "tables" / f"{name}.csv").open() as file:
            kept = list(csv.DictReader(file))
        if len(kept) != len(rows):  # the rows of one checkpoint, or of one set
            continue
        out = (*INPUTS.get(name, ()), *(key for key in kept[0] if key.endswith(BOUNDS)))
        shown = [key for key in kept[0] if heading(key, PETA) in head and key not in out]
        assert [heading(key, PETA) for key in shown] == head, name
        for line, row in zip(rows, kept, strict=True):
            for (text, value), key in zip(line, shown, strict=True):
                assert value is None or float(value) == float(row[key]), (name, key)
                is_text = value is None and key != shown[0] and row[key] not in ("", "True", "False")
                assert not is_text or text == row[key], (name, key)


def test_items_are_filtered_and_searched(opened):
    page = opened()
    browser = page.locator(".browser")
    status = browser.locator(".readout")
    assert status.text_content().startswith("60 items")
    browser.get_by_label("Set").select_option("gsm_like")
    browser.get_by_label("Show").select_option("disagree")
    marks = browser.locator(".item").evaluate_all(
        "items => items.map(item => [...item.querySelectorAll('.mark')].map(mark => mark.textContent))"
    )
    assert marks and all({"✓ right", "✗ wrong"} == set(each) for each in marks)
    browser.get_by_label("Show").select_option("all")
    browser.get_by_label("Search").fill("gsm_like:0006?")
    assert browser.locator(".item").count() == 1
    assert "Question: what is gsm_like:0006?" in browser.locator(".item").text_content()


def test_items_whose_licence_forbids_it_show_their_hash_alone(opened):
    page = opened()
    browser = page.locator(".browser")
    browser.get_by_label("Set").select_option("choice_like")
    assert "choice_like · hash0000" in browser.locator(".item h4").first.text_content()
    assert "✓ right" in browser.text_content()
    assert HIDDEN not in page.content()


def test_curves_are_read_with_the_keyboard(opened):
    page = opened()
    page.locator("[data-kind=curves] .plot").focus()
    readout = page.locator("[data-kind=curves] .readout")
    page.keyboard.press("ArrowRight")
    wait_until(lambda: readout.text_content() != "", page)
    first = readout.text_content()
    assert "step 0" in first and "herding_0.25" in first
    page.keyboard.press("ArrowRight")
    wait_until(lambda: readout.text_content() != first, page)


def test_everything_that_can_be_used_has_a_name(opened):
    nameless = """() => [...document.querySelectorAll("button, select, input, [role=region], [role=img], img")]
        .filter(each => !(each.getAttribute("aria-label") || each.alt
            || each.textContent.trim() && each.tagName === "BUTTON"
            || [...(each.labels ?? [])].some(label => label.textContent.trim())))
        .map(each => each.outerHTML.slice(0, 80))"""
    page = opened()
    assert page.evaluate(nameless) == []
    levels = page.locator("h1, h2, h3").evaluate_all("heads => heads.map(head => Number(head.tagName[1]))")
    assert levels[0] == 1 and all(below - above <= 1 for above, below in zip(levels, levels[1:], strict=False))


def test_the_keyboard_reaches_the_verdict_first(opened):
    page = opened()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the verdict"


@pytest.mark.parametrize("which", ["study", "varied"])
def test_tables_show_their_last_column_on_a_wide_screen(opened, study, tmp_path, which):
    if which == "varied":
        study = write_varied(tmp_path / "s", SMALL)
        report(study)
    page = opened(study / "report.html")
    page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true; })")
    wide = """() => [...document.querySelectorAll(".scroll")]
        .filter(each => each.offsetParent && each.scrollWidth > each.clientWidth + 1)
        .map(each => each.getAttribute("aria-label"))"""
    assert page.locator("table[data-table]:visible").count() > 15
    assert page.evaluate(wide) == []


def test_the_box_has_a_colour_only_where_all_seeds_are_there(opened, tmp_path):
    """Green where better; grey, and told why, while seeds are missing."""
    colours = {}
    for name, skip in (("whole", ()), ("part", [("r16_epochs2", 1)])):
        folder = write_varied(
            tmp_path / name, SMALL, skip=skip, effect=lambda levels: 0.5 * (levels["adapter"] == "r16")
        )
        report(folder)
        page = opened(folder / "report.html")
        box = page.locator(".verdict")
        colours[name] = box.evaluate("box => getComputedStyle(box).borderLeftColor")
        told = box.locator(".kind").text_content()
        assert told == ("Verdict: better" if name == "whole" else "Verdict so far, 2 of 3 seeds: better")
    assert colours == {"whole": "rgb(11, 107, 58)", "part": "rgb(138, 138, 138)"}


def test_it_prints_in_light_colours(opened, tmp_path):
    page = opened(scheme="dark")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 24, 30)"
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.pdf(path=SCREENSHOTS / "print.pdf", format="A4")
    assert (SCREENSHOTS / "print.pdf").stat().st_size > 50_000


def test_it_can_be_read_without_scripts(opened):
    page = opened(scripts=False)
    assert page.locator('table[data-table="cost_to_quality_flops"] tbody tr').first.is_visible()
    assert not page.locator("[data-kind=curves]").is_visible()
    assert page.locator("noscript img").first.is_visible()


def test_several_studies_work_side_by_side(opened, study, tmp_path):
    other = write_study(tmp_path / "other", effects={"full": 0.0, "random_0.25": 0.1})
    report_together([study, other], tmp_path / "both")
    page = opened(tmp_path / "both" / "report.html")
    charts = page.locator("[data-kind=curves]")
    assert [charts.nth(place).get_attribute("data-lines") for place in (0, 1)] == [str(len(EFFECTS)), "2"]
    assert page.locator('table[data-table="studies"] tbody tr').count() == 2


def test_the_live_page_takes_over_what_is_new_and_keeps_choices(browser, finished_study, tmp_path):
    root = tmp_path / "runs"
    copy_store(finished_study, root)
    (root / "s").mkdir()
    shutil.copy(finished_study / "recipe.yaml", root / "s")
    stages = {each["name"]: each["fingerprint"] for each in read_json(finished_study / "records" / "stages.json")}
    late = root / ".store" / "train" / stages["train.herding_0.25.s0"]
    late.rename(tmp_path / "later")
    with serving(root / "s") as address, browser.new_context() as context:
        asked, complaints, page = [], [], context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(address)
        curves = page.locator("[data-kind=curves]")
        assert not curves.get_by_label("herding_0.25").count()
        curves.get_by_label("random_0.25").uncheck()
        curves.get_by_label("against").select_option("tokens")
        (tmp_path / "later").rename(late)
        wait_until(lambda: "finished" in page.locator("#live-text").text_content(), page)
        curves.get_by_label("herding_0.25").wait_for(timeout=60_000)
        assert not curves.get_by_label("random_0.25").is_checked()
        assert curves.get_by_label("against").input_value() == "tokens"
        assert page.evaluate("document.querySelector('progress').position") == 1
        assert complaints == [] and all(url.startswith((address, "data:")) for url in asked)


@pytest.fixture(scope="module")
def sixty(tmp_path_factory):
    folder = write_varied(tmp_path_factory.mktemp("sixty") / "s", SIXTY, seeds=(0, 1))
    report(folder)
    return folder / "report.html"


@pytest.mark.parametrize(("scheme", "viewport"), [("light", WIDE), ("dark", WIDE), ("light", PHONE)])
def test_sixty_curves_are_told_apart_by_their_levels(opened, sixty, scheme, viewport):
    page = opened(sixty, scheme=scheme, viewport=viewport)
    chart = page.locator(".chart").first
    assert chart.get_attribute("data-lines") == "60"
    chart.screenshot(path=SCREENSHOTS / f"sixty_{scheme}_{viewport['width']}.png")
    for level in ("lr1e-05", "lr3e-05", "lr0.0003", "lr0.001"):
        chart.locator(f'.levels input[value="{level}"]').uncheck()
    assert chart.get_attribute("data-lines") == "12"
    chart.locator('.levels input[value="r4"]').uncheck()
    assert chart.get_attribute("data-lines") == "8"
    assert page.locator("html").bounding_box()["width"] <= viewport["width"]


def test_any_factor_gives_colour_or_dash(opened, sixty):
    page = opened(sixty)
    chart = page.locator(".chart").first
    look = chart.locator('.levels label:has(input[value="r16"]) .look line')
    assert look.count() == 0
    chart.locator('[name="colour-by"]').select_option("adapter")
    assert look.get_attribute("stroke") == "var(--c2)"
    chart.locator('[name="dash-by"]').select_option("adapter")
    assert look.get_attribute("stroke-dasharray") == "2 3"
    chart.locator('[name="dash-by"]').select_option("")
    assert look.get_attribute("stroke-dasharray") == ""
    frontier = page.locator(".chart").nth(1)
    for box in frontier.locator('.levels input[name="level/rate"]').all():
        box.uncheck()
    assert "No arm is chosen" in frontier.inner_text()
