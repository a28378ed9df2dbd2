"""What docs/tutorial.md says to do works as it stands there, one block after the other."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from test_scheduler import shell

from sqlstab import Run

if TYPE_CHECKING:
    import pytest

TUTORIAL = (Path(__file__).parent.parent / "docs" / "tutorial.md").read_text()


def test_tutorial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```(sh|python)\n(.*?)```", TUTORIAL, re.DOTALL)
    # A warehouse is not at hand here; tests/test_scheduler.py has one.
    blocks = [(kind, text) for kind, text in blocks if "# a warehouse" not in text]
    assert [kind for kind, _ in blocks] == ["sh"] * 6 + ["python"]
    printed = ""
    for kind, text in blocks:
        if kind == "python":
            exec(compile(text, "tutorial.md", "exec"), {})
        else:
            printed += shell(text.replace("pip install .\n", ""), tmp_path)
    assert "alignable: " in printed
    for name, before in (("july-1", "june-15"), ("august-1", "july-15")):
        figures = Run.load(name).figures
        assert figures["reference"]["run_id"] == Run.load(before).run_id
        items = figures["cosine"]["items"]
        assert abs(items["before"]["mean"]) < 0.1
        assert abs(items["after"]["mean"] - 0.75) < 0.02
    assert (tmp_path / "july-1.html").read_text().startswith("<!DOCTYPE html>")
