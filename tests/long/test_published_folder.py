"""What a study leaves, used as strangers would: the card's snippet, plain PEFT, a real browser."""

import re
import shutil
import subprocess
import sys

import pytest

from tests_support import ROOT, SMALLEST
from winnow.pipeline import run
from winnow.recipe.file import load_recipe

pytestmark = pytest.mark.long


def snippet(text):
    return re.search(r"```python\n(.*?)```", text, re.DOTALL).group(1)


def test_the_cards_snippet_loads_the_adapter_and_generates(finished_study):
    code = snippet((finished_study / "README.md").read_text())
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=finished_study, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_the_cards_snippet_works_where_all_weights_were_trained(tmp_path):
    folder = tmp_path / "full"
    run(load_recipe(SMALLEST, ["training.method=full"]), out=folder)
    code = snippet((folder / "README.md").read_text())
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_readmes_snippet_runs(tmp_path):
    code = snippet((ROOT / "README.md").read_text())
    shutil.copytree(ROOT / "recipes", tmp_path / "recipes")
    shutil.copy(SMALLEST, tmp_path / "recipes" / "quickstart.yaml")
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "against full" in done.stdout


def test_the_page_shows_verdict_and_figures_in_a_browser(finished_study, tmp_path):
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        pytest.skip("needs chromium (Debian: apt-get install chromium)")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", "--disable-sync",
             f"--user-data-dir={tmp_path / 'profile'}"]  # fmt: skip
    page = (finished_study / "report.html").absolute().as_uri()
    dom = subprocess.run(
        [browser, *flags, "--dump-dom", page], capture_output=True, text=True, timeout=120, check=True
    ).stdout
    assert "herding_0.25 against full" in dom
    shot = tmp_path / "page.png"
    subprocess.run([browser, *flags, f"--screenshot={shot}", "--window-size=1200,2000", page],
                   capture_output=True, timeout=120, check=True)  # fmt: skip
    from PIL import Image

    with Image.open(shot) as picture:
        assert len(picture.convert("RGB").resize((300, 500)).getcolors(1 << 20)) > 50
    assert not re.findall(r'(?:src|href)="(?!data:|#)[^"]*"', dom)
