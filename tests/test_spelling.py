"""A message names an option as its reader typed it."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

import pytest
from invoke import invoke

from sqlstab import Options, UsageError, stabilize
from sqlstab.project import KEYS
from sqlstab.spelling import Face, spelled, typed_in

if TYPE_CHECKING:
    from pathlib import Path

OF_A_RUN = [field.name for field in fields(Options) if field.init]


@pytest.mark.parametrize(
    ("face", "want"),
    [
        ("command line", "say --on-invalid drop, --users-id, --items-out or --gram"),
        ("python", "say on_invalid drop, id of the users' EmbeddingTable, items_out or --gram"),
        ("project file", "say [run] on_invalid drop, [users] id, [items] out or --gram"),
    ],
)
def test_spelled(face: Face, want: str) -> None:
    with typed_in(face):
        message = spelled("say --on-invalid drop, --users-id, --items-out or --gram")
        assert message == want
        assert spelled(message) == message
        # A command is typed like this from wherever it is read.
        command = "what sqlstab run --out writes; sqlstab runs prune --keep-runs 3"
        assert spelled(command) == command


def test_every_option_is_known() -> None:
    for name in OF_A_RUN:
        option = "--" + name.replace("_", "-")
        assert spelled(option) == name
        with typed_in("project file"):
            assert spelled(option) == f"[run] {name}"
    for name in set(KEYS["users"]) - {"table"}:
        option = "--items-" + name.replace("_", "-")
        assert spelled(option) != option
        with typed_in("project file"):
            assert spelled(option) == f"[items] {name}"


def test_one_mistake_on_each_face(tmp_path: Path, model: Any) -> None:
    folder = model()
    tables = ["--users", folder / "users.parquet", "--items", folder / "items.parquet"]
    out = tmp_path / "out"
    done = invoke("run", *tables, "--out", out, "--partition-by", "day", code=2)
    assert done.stderr == "--partition-by and --grams belong together: name both or none."

    with pytest.raises(UsageError, match=r"^partition_by and grams belong together"):
        Options(partition_by="day")

    file = tmp_path / "sqlstab.toml"
    file.write_text(
        f'users.table = "{folder / "users.parquet"}"\nitems.table = "{folder / "items.parquet"}"\n'
        f'[run]\nout = "{out}"\npartition_by = "day"\n'
    )
    done = invoke("run", "-c", file, code=2)
    assert "[run] partition_by and [run] grams belong together" in done.stderr
    # What is said after the command is over is said to Python again.
    assert spelled("--grams") == "grams"


def test_a_sample_is_named_where_it_leaves_few_anchors(tmp_path: Path, model: Any) -> None:
    first = model("first")
    second = model("second", rotate=first)

    def run(folder: Path, **options: Any) -> list[str]:
        done = stabilize(
            folder / "users.parquet",
            folder / "items.parquet",
            tmp_path / "first_run" if options else None,
            tmp_path / f"{folder.name}_run",
            options=Options(**options),
        )
        warnings: list[str] = done.figures["warnings"]
        return warnings

    run(first)
    (warning,) = run(second, sample=0.2)
    assert "shared ids in a sample of 20.00% of the rows align 6 dimensions" in warning
    assert warning.endswith("Take a larger sample, or none.")
    assert run(second, sample=1.0) == []
