"""Which Chromium the browser tests use. Run as a program, it sees to it that there is one, and ends well without."""

import os
import shutil
import subprocess
import sys

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
MISSING = "needs a Chromium: `playwright install chromium`, or name one: CHROMIUM=/path/to/chromium"


def find_chromium(own):
    """The program that the variable CHROMIUM names, or the machine's, or `own`, Playwright's; None if there is none.

    Raises:
        ValueError: if CHROMIUM names no program.
    """
    if named := os.environ.get("CHROMIUM"):
        if not (path := shutil.which(named)):
            raise ValueError(f"CHROMIUM names {named!r}, which is no program")
        return path
    return next(filter(None, map(shutil.which, (*NAMES, own))), None)


def main():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        found = find_chromium(playwright.chromium.executable_path)
    if not found:
        try:
            subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=True, timeout=600)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
            return "No Chromium came; the tests that need one are skipped."
    return 0


if __name__ == "__main__":
    sys.exit(main())
