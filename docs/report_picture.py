"""Photograph the reports on the demo's space and on its last run (`make report-picture`)."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from sqlstab import Space
from sqlstab.demo import run_demo
from sqlstab.progress import Silent

# Name, width and height of the window, style sheet, scale.
PICTURES = [("desktop", 1280, 1530, "light", 1), ("phone", 390, 1500, "dark", 1.5)]
HERE = Path(__file__).resolve().parent


def main() -> None:
    browser = next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome")))
    )
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        run_demo(folder, Silent())
        os.chdir(folder)  # a page names its space as it was named
        space = Space("movies")
        chromium = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        for about, key in [("space", None), ("run", space.entries[-1].key)]:
            page = Path(folder) / f"{about}.html"
            page.write_text(space.report(key).text("html"), encoding="utf-8")
            for name, width, height, scheme, scale in PICTURES:
                window = chromium.new_page(
                    viewport={"width": width, "height": height},
                    color_scheme=scheme,
                    device_scale_factor=scale,
                )
                window.goto(page.as_uri())
                window.screenshot(path=HERE / f"report-{about}-{name}.png")
        chromium.close()


if __name__ == "__main__":
    main()
