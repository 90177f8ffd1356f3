"""Makes `docs/figures/report.png`, the picture of a report: `python docs/figures/report.py`.

It labels the bundled sample reviews and takes the head of the page with the browser that the tests
use: chromium, and the package `playwright`.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

PICTURE = Path(__file__).with_suffix(".png")
ROOT = PICTURE.parents[2]

WIDTH, MARGIN = 1000, 14  # pixels of the style sheet
LAST = "Scores by label"  # the chart at which the picture ends


def main() -> None:
    """Runs classify in an empty folder, and takes the picture."""
    with tempfile.TemporaryDirectory() as folder:
        flags = ["--output=reviews", "--probabilities", "--report=report.html"]
        subprocess.run(
            [sys.executable, "-m", "pipelines.classify", *flags],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            check=True,
        )
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox"]
            )
            page = browser.new_page(
                viewport={"width": WIDTH, "height": 800}, device_scale_factor=1.5
            )
            page.goto(Path(folder, "report.html").as_uri())
            page.locator("html[data-ready=yes]").wait_for(state="attached")
            last = page.locator("figure", has_text=LAST).bounding_box()
            assert last is not None
            size = {"width": WIDTH, "height": last["y"] + last["height"] + MARGIN}
            page.screenshot(path=PICTURE, full_page=True, clip={"x": 0, "y": 0, **size})
            browser.close()
    print(f"{PICTURE}: {PICTURE.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
