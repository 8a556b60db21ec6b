"""Takes the README's picture of /app from a running service: what it really answers to the page's own sample.

    python -m benchmarks.page_picture http://127.0.0.1:8000 docs/app.png

Needs requirements/dev.txt and Chromium. A few seconds.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from playwright.sync_api import ViewportSize, sync_playwright

SIZE = ViewportSize(width=1280, height=1080)


def main() -> None:
    """Fills in the sample, asks for its prediction, and writes the picture."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.page_picture", description=__doc__.split("\n")[0])
    parser.add_argument("address", help="of the running service, such as http://127.0.0.1:8000")
    parser.add_argument("path", type=Path, help="the picture, such as docs/app.png")
    given = parser.parse_args()
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport=SIZE, color_scheme="light")
        page.goto(f"{given.address}/app")
        page.click("#sample")
        page.click("#predict")
        page.wait_for_selector("#probability")
        page.wait_for_timeout(2000)  # the chart is drawn
        page.evaluate("scrollTo(0, 0); document.activeElement.blur()")
        page.screenshot(path=given.path)
        browser.close()


if __name__ == "__main__":
    main()
