"""The README is short, and what it shows is real; tests/test_pages.py runs its blocks."""

from __future__ import annotations

import re

from pages import ROOT, blocks, shell


def test_it_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150


def test_the_demos_output_is_real() -> None:
    printed = shell("sqlstab demo --quiet", ROOT)
    (shown,) = (block.text for block in blocks("README.md") if "AUC" in block.text)
    lines = [line.split() for line in printed.splitlines()]
    assert [line for line in map(str.split, shown.splitlines()) if line not in lines] == []


def test_no_link_is_dead() -> None:
    """Links of README, CONTRIBUTING and the examples; the site's build sees to those of docs."""
    for page in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "examples/README.md"):
        path = ROOT / page
        for link in re.findall(r"\]\(([^)#]+)", path.read_text()):
            assert "://" in link or (path.parent / link).exists(), f"{page}: {link}"
