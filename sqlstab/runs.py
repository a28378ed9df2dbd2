"""A run directory: what one run leaves behind, and what the next one takes as its reference."""

from __future__ import annotations

import ctypes
import datetime as dt
import errno
import json
import os
import re
import secrets
import shutil
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlstab import folders
from sqlstab.errors import DataError, EngineError, HalfWayInterrupt, UsageError
from sqlstab.fingerprint import Fingerprint
from sqlstab.folders import LockedFolder, locked
from sqlstab.tables import SIDES, VECTORS, EmbeddingTable
from sqlstab.transform import FILE_NAME as TRANSFORM_FILE
from sqlstab.transform import Transform

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlstab.tables import Side

FORMAT = 1
FIGURES_FILE = "run.json"
REPORT_FILE = "report.html"
# Stands in the name of a directory that is to be a run's.
_MARK = ".sqlstab-"
OWN_FILES = {
    *(f"{side}.parquet" for side in (*SIDES, VECTORS)),
    *(TRANSFORM_FILE, FIGURES_FILE, REPORT_FILE),
}


def figures_of(figures: dict[str, Any], side: Side) -> dict[str, Any]:
    """What the figures of a run say of one of its tables.

    Args:
        figures: What `run.json` holds.
        side: A side, or a further table.
    """
    found: dict[str, Any] = figures.get("also", {}).get(side) or figures[side]
    return found


def new_run_id() -> str:
    """Sorts by time, as text too, and does not collide."""
    now = dt.datetime.now(dt.timezone.utc)
    return f"{now:%Y%m%dT%H%M%S.%f}Z-{secrets.token_hex(2)}"


def is_run_id(text: str) -> bool:
    """Whether a text is what `new_run_id` makes."""
    return re.fullmatch(r"\d{8}T\d{6}\.\d{6}Z-[0-9a-f]{4}", text) is not None


def file_name(side: Side) -> str:
    """The file that holds the stable vectors of a side, in a run directory."""
    return f"{side}.parquet"


@dataclass(frozen=True)
class Run:
    """One finished run.

    Attributes:
        figures: What `run.json` holds.
        transform: The maps of its tables.
        directory: Where it was written; None where nothing was.
    """

    figures: dict[str, Any]
    transform: Transform
    directory: Path | None

    @property
    def run_id(self) -> str:
        """The name of this run, unique."""
        return self.transform.run_id

    @property
    def sides(self) -> tuple[Side, ...]:
        """The tables that define its space: `users` and `items`, or `vectors`."""
        return tuple(self.transform.maps)

    @property
    def tables(self) -> tuple[Side, ...]:
        """All of its tables: the sides, and those that ride along."""
        return (*self.transform.maps, *self.transform.also)

    @classmethod
    def load(cls, directory: str | Path) -> Run:
        """Read a run directory.

        Raises:
            DataError: It is none, or a part is missing or damaged.
        """
        directory = Path(directory)
        source = directory / FIGURES_FILE
        try:
            figures = json.loads(source.read_text(encoding="utf-8"))
            found = figures["format"]
        except OSError as error:
            if directory.suffix == ".json" or (directory / TRANSFORM_FILE).is_file():
                raise DataError(
                    f"{directory} has a transform, but no {FIGURES_FILE}: nothing says where that "
                    "run's stable tables are, which a run must read. Give the directory that "
                    "sqlstab run wrote; or go on in steps, as this transform was made: sqlstab "
                    "render cross-gram, where options name the tables, and sqlstab solve."
                ) from error
            raise DataError(
                f"{directory} is not a run directory: {FIGURES_FILE} cannot be read "
                f"({error.strerror}). A run directory is what sqlstab run --out writes."
            ) from error
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"{source} is damaged: {error!r}") from error
        if found != FORMAT:
            raise DataError(
                f"{source} has format {found}; this version of sqlstab reads format {FORMAT}."
            )
        run = cls(figures, Transform.load(directory), directory)
        if figures.get("run_id") != run.run_id:
            raise DataError(
                f"{directory} mixes two runs: {FIGURES_FILE} is of {figures.get('run_id')}, "
                f"{TRANSFORM_FILE} of {run.run_id}."
            )
        return run

    def table(self, side: Side) -> EmbeddingTable:
        """One of its stable tables, by name.

        Raises:
            DataError: It is missing.
        """
        try:
            output = self.figures["outputs"][side]
            relation, id_name = output["relation"], output["id"]
            vector, layout = output["vector"], output["layout"]
        except (KeyError, TypeError) as error:
            if self.figures.get("outputs", 0) is None:
                raise UsageError("This run was not written, so it has no stable tables.") from error
            raise DataError(
                f"{FIGURES_FILE} of run {self.run_id} is damaged: outputs.{side}: {error!r}"
            ) from error
        if relation == file_name(side):
            if self.directory is None:
                raise UsageError("This run was not written, so it has no stable tables.")
            path = self.directory / relation
            if not path.is_file():
                raise DataError(f"The run directory {self.directory} lacks {path.name}.")
            relation = str(path)
        return EmbeddingTable(relation, id=id_name, vector=vector, layout=layout)

    def fingerprint(self, side: Side) -> Fingerprint | None:
        """What the stable table of a side was when it was written; None for a file.

        A file lies in the run directory, which is replaced as a whole.

        Raises:
            DataError: It is missing or damaged.
        """
        output = self.figures["outputs"][side]
        if output["relation"] == file_name(side):
            return None
        try:
            return Fingerprint(**output["fingerprint"])
        except (KeyError, TypeError) as error:
            raise DataError(
                f"{FIGURES_FILE} of run {self.run_id} is damaged: outputs.{side}.fingerprint: "
                f"{error!r}"
            ) from error

    def save_figures(self, directory: Path) -> None:
        """Write `run.json`."""
        text = json.dumps(self.figures, indent=2, ensure_ascii=False, allow_nan=False)
        (directory / FIGURES_FILE).write_text(text + "\n", encoding="utf-8")


@contextmanager
def replaced_files(*paths: Path) -> Iterator[list[Path]]:
    """Files beside `paths` that take their places when the context ends without an error.

    Raises:
        EngineError: The disk refused.
        HalfWayInterrupt: For a KeyboardInterrupt when one had been replaced already.
    """
    partials = [path.with_name(f".{path.name}.partial") for path in paths]
    done: list[str] = []
    try:
        yield partials
        for partial, path in zip(partials, paths, strict=True):
            partial.replace(path)
            done.append(str(path))
    except OSError as error:
        what = error.filename or " and ".join(map(str, paths))
        stays = f" {' and '.join(done)} had been written by then." if done else ""
        raise EngineError(f"{what} cannot be written: {error.strerror or error}.{stays}") from error
    except KeyboardInterrupt as error:
        if done:
            raise HalfWayInterrupt(f"{' and '.join(done)} had been written by then.") from error
        raise
    finally:
        for partial in partials:
            partial.unlink(missing_ok=True)


@contextmanager
def staging(out: Path) -> Iterator[Path]:
    """A directory beside `out` that takes its place when the context ends without an error.

    Until then, and after any error or kill, `out` is what it was before. What killed processes
    left behind is removed by the next one.

    Raises:
        UsageError: `out` is something that must not be replaced, or cannot be created.
        EngineError: Writing failed, as on a full disk; or another process is about to replace
            `out`.
        HalfWayInterrupt: For a KeyboardInterrupt when `out` had been replaced already.
    """
    out = Path(os.path.abspath(out))  # noqa: PTH100 - a symbolic link stays one
    try:
        _check_replaceable(out)
        out.parent.mkdir(parents=True, exist_ok=True)
        # One process at a time looks whether there is another one.
        with locked(out.parent):
            folder = _new_directory(out)
    except OSError as error:
        raise UsageError(f"{out} cannot be written: {error.strerror}.") from error
    directory = folder.path
    replaced = False
    try:
        umask = os.umask(0)
        os.umask(umask)
        directory.chmod(0o777 & ~umask)
        yield directory
        _check_replaceable(out)
        _replace(out, directory)
        replaced = True
    except OSError as error:
        reason = error.strerror or str(error)
        raise EngineError(f"{out} cannot be written: {reason}; it is as it was.") from error
    finally:
        try:
            # After an exchange, the earlier run; that may take a moment.
            folder.remove()
        except KeyboardInterrupt as error:
            if replaced:
                raise HalfWayInterrupt(f"{out} had been written by then.") from error
            raise


def staged_directories(parent: Path) -> list[Path]:
    """The directories beside runs that `staging` has made, whether anybody lives or not."""
    return folders.found(parent, rf"\..+{re.escape(_MARK)}")


def _new_directory(out: Path) -> LockedFolder:
    prefix = f".{out.name}{_MARK}"
    beside = folders.found(out.parent, re.escape(prefix))
    if any(folders.state(directory) == "held" for directory in beside):
        raise EngineError(
            f"Another run is writing {out}: wait for it to end, or name another directory."
        )
    _restore(out)
    # Also those of other runs: where each has a directory of its own, nobody else comes by.
    for directory in staged_directories(out.parent):
        folders.remove_abandoned(directory)
    return LockedFolder(out.parent, prefix)


def _check_replaceable(out: Path) -> None:
    if out.is_symlink() or (out.exists() and not out.is_dir()):
        raise UsageError(f"{out} is not a directory; name a directory for --out.")
    if not out.exists():
        return
    names = {entry.name for entry in out.iterdir()}
    # Tables alone are no run: they may be somebody's raw vectors.
    strange = sorted(names - _own_files(out) if FIGURES_FILE in names else names)
    if strange:
        raise UsageError(
            f"{out} holds files that are not a run's ({', '.join(strange[:3])}"
            f"{', ...' if len(strange) > 3 else ''}) and would be lost; name a directory of its "
            "own for --out."
        )


def _own_files(out: Path) -> set[str]:
    """The files that the run in a directory has written; those of any run, if it is damaged."""
    try:
        figures = json.loads((out / FIGURES_FILE).read_text(encoding="utf-8"))
        return OWN_FILES | {file_name(side) for side in figures.get("also", {})}
    except (AttributeError, OSError, TypeError, ValueError):
        return OWN_FILES


def _replace(out: Path, directory: Path) -> None:
    if not out.exists():
        directory.rename(out)
        return
    if _exchange(out, directory):
        return
    # Two renames. A kill between them leaves the previous run whole, but under another name;
    # `_restore` puts it back.
    aside = _aside(out)
    out.rename(aside)
    try:
        directory.rename(out)
    except OSError:
        aside.rename(out)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _aside(out: Path) -> Path:
    return out.with_name(f".{out.name}.previous")


def _restore(out: Path) -> None:
    aside = _aside(out)
    if aside.is_dir():
        if out.exists():
            shutil.rmtree(aside)
        else:
            aside.rename(out)


def _exchange(first: Path, second: Path) -> bool:
    """Let two directories change places in one step; False where the system cannot.

    Python has no call for it: renameat2 with RENAME_EXCHANGE on Linux, renamex_np with RENAME_SWAP
    on macOS.
    """
    if sys.platform not in ("linux", "darwin"):
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    paths = os.fsencode(first), os.fsencode(second)
    if sys.platform == "linux" and hasattr(libc, "renameat2"):
        at_cwd, exchange = -100, 2
        code = libc.renameat2(at_cwd, paths[0], at_cwd, paths[1], exchange)
    elif sys.platform == "darwin" and hasattr(libc, "renamex_np"):
        swap = 2
        code = libc.renamex_np(paths[0], paths[1], swap)
    else:
        return False
    if code == 0:
        return True
    number = ctypes.get_errno()
    if number in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):  # the file system cannot
        return False
    raise OSError(number, os.strerror(number))
