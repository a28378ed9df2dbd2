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
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlstab import saved
from sqlstab.errors import DataError, EngineError, HalfWayInterrupt, UsageError
from sqlstab.fingerprint import Fingerprint
from sqlstab.maths.maps import FILE_NAME as TRANSFORM_FILE
from sqlstab.maths.maps import Transform
from sqlstab.space import folders
from sqlstab.space.folders import LockedFolder, locked
from sqlstab.statements.table import SIDES, VECTORS, EmbeddingTable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from sqlstab.statements.table import Side

FORMAT = 1
FIGURES_FILE = "run.json"
REPORT_FILE = "report.html"
# In the id of a run, in UTC.
_TIME = "%Y%m%dT%H%M%S.%f"
# Stands in the name of a directory that is to be a run's.
_MARK = ".sqlstab-"
OWN_FILES = {
    *(f"{side}.parquet" for side in (*SIDES, VECTORS)),
    *(TRANSFORM_FILE, FIGURES_FILE, REPORT_FILE),
}


def table_figures(figures: dict[str, Any], side: Side) -> dict[str, Any]:
    """What the figures of a run say of one of its tables.

    Args:
        figures: What `run.json` holds.
        side: A side, or a further table.
    """
    found: dict[str, Any] = figures.get("also", {}).get(side) or figures[side]
    return found


_TABLE = {
    "relation": str,
    "id": str,
    "id_type": str,
    "layout": str,
    "vector": [str],
    "element": str,
    "filter": (None, str),
    "weight": (None, str),
    "anchor_filter": (None, str),
    "keep": [str],
}
_FINGERPRINT = {"rows": int, "summed": int, "share": float, "total": float, "squares": float}
_OUTPUT = {**_TABLE, "fingerprint?": (None, _FINGERPRINT)}
_FURTHER = {**dict.fromkeys(("rows", "dimension", "left_out"), int), "problems": {...: int}}
_VECTORS = {**_FURTHER, **dict.fromkeys(("passes", "summed"), int)}
_ALSO = {"like": str, "scores": float, "summed": int, **_FURTHER}
_SIDE = {**_VECTORS, "rank": int, **dict.fromkeys(("condition", "accuracy"), float)}
_COSINES = (None, dict.fromkeys(("mean", "p10", "median"), float))
_COSINE = {"rows": int, "before": _COSINES, "after": _COSINES}
_KEPT = {
    "identity_error": float,
    "max_relative_error": (None, float),
    "also?": {...: (None, float)},
}


def check_figures(figures: Any) -> None:
    """See that the figures of a run are what `run.json` must hold.

    Raises:
        ValueError: Something is missing, or is something else.
    """
    is_alone = isinstance(figures, dict) and VECTORS in figures
    saved.check(figures, _shape((VECTORS,) if is_alone else SIDES))


def _shape(sides: Collection[str]) -> saved.Shape:
    """What `run.json` must hold of a run with these sides; further tables may come beside them."""
    kept = "dot_products" if VECTORS in sides else "scores"
    side = _VECTORS if VECTORS in sides else _SIDE
    shared = {f"shared_{name}": int for name in sides}
    return {
        **dict.fromkeys(("sqlstab", "run_id", "created", "engine", "strategy"), str),
        **dict.fromkeys(("dimension", "rank"), int),
        "options": dict,
        # A script of SQL records none.
        "versions?": {...: (None, str)},
        "inputs": _of_each(sides, _TABLE),
        **dict.fromkeys(sides, side),
        "also?": {...: _ALSO},
        "singular_values": (None, [float]) if VECTORS in sides else [float],
        "reference": (None, {"run_id": str, "dimension": int, "runs?": [str]}),
        "alignment": (
            None,
            {
                "side": str,
                "weights": {...: float},
                **dict.fromkeys(("anchors", "ambiguous"), int),
                **shared,
                **dict.fromkeys(("relative_residual", "cka", "bound"), float),
                "determinant": (None, float),
            },
        ),
        "cosine": (None, _of_each(sides, _COSINE)),
        "gates": (None, {...: {"wanted": float, "found": (None, float), "passed": bool}}),
        kept: _KEPT,
        "outputs": (None, _of_each(sides, _OUTPUT)),
        "warnings": [str],
        "timings": {...: float},
    }


def _of_each(sides: Collection[str], shape: saved.Shape) -> dict[Any, saved.Shape]:
    """The same for each side, and for further tables if there are any."""
    return {**dict.fromkeys(sides, shape), ...: shape}


def new_run_id(after: str = "") -> str:
    """Sorts by time, as text too, and does not collide.

    Args:
        after: What it sorts behind, which begins as such an id: the clock that this one was made by
            may be ahead, as on another machine, or have been set back since.
    """
    now = dt.datetime.now(dt.timezone.utc)
    with suppress(ValueError):  # as of an empty text
        before = dt.datetime.strptime(after.partition("Z")[0], _TIME).replace(tzinfo=now.tzinfo)
        now = max(now, before + dt.timedelta(microseconds=1))
    return f"{now:{_TIME}}Z-{secrets.token_hex(2)}"


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

    def __repr__(self) -> str:
        """What one asks of a run first; all figures would fill pages."""
        cosine = self.figures["cosine"] or {}
        tables = []
        for side in self.tables:
            known = table_figures(self.figures, side)
            after = cosine.get(side, {}).get("after")
            agrees = f" (mean cosine {after['mean']:.3f})" if after else ""
            tables.append(f"{side} {known['rows']:,} x {known['dimension']}{agrees}")
        reference = self.transform.reference
        space = f"reference {reference}" if reference else "a space of its own"
        where = f"; in {self.directory}" if self.directory else ""
        return f"<Run {self.run_id}: {', '.join(tables)}; {space}{where}>"

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
        """All of its tables: the sides, and further ones."""
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
            figures = saved.loads(source.read_text(encoding="utf-8"))
            saved.check(figures, {"format": saved.ANYTHING})
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
        except ValueError as error:
            raise DataError(f"{source} is damaged: {error}.") from error
        if found != FORMAT:
            raise DataError(
                f"{source} has format {found}; this version of sqlstab reads format {FORMAT}."
            )
        run = cls(figures, Transform.load(directory), directory)
        if figures.get("run_id") != run.run_id:
            raise DataError(
                f"{directory} mixes two runs: {FIGURES_FILE} is of "
                f"{saved.shown(figures.get('run_id'))}, {TRANSFORM_FILE} of "
                f"{saved.shown(run.run_id)}."
            )
        try:
            check_figures(figures)
        except ValueError as error:
            raise DataError(f"{source} is damaged: {error}.") from error
        return run

    def table(self, side: Side) -> EmbeddingTable:
        """One of its stable tables, by name.

        Raises:
            UsageError: The run was not written.
            DataError: The file is missing.
        """
        outputs = self.figures["outputs"]
        if outputs is None:
            raise UsageError("This run was not written, so it has no stable tables.")
        output = outputs[side]
        relation = output["relation"]
        if relation == file_name(side):
            if self.directory is None:
                raise UsageError("This run was not written, so it has no stable tables.")
            path = self.directory / relation
            if not path.is_file():
                raise DataError(f"The run directory {self.directory} lacks {path.name}.")
            relation = str(path)
        return EmbeddingTable(
            relation, id=output["id"], vector=output["vector"], layout=output["layout"]
        )

    def fingerprint(self, side: Side) -> Fingerprint | None:
        """What the stable table of a side was when it was written; None for a file.

        A file lies in the run directory, which is replaced as a whole.

        Raises:
            DataError: That of a table is missing.
        """
        output = self.figures["outputs"][side]
        if output["relation"] == file_name(side):
            return None
        known = output.get("fingerprint")
        if known is None or set(known) != set(_FINGERPRINT):
            raise DataError(
                f"{FIGURES_FILE} of run {self.run_id} is damaged: outputs.{side}.fingerprint is "
                f"not {', '.join(_FINGERPRINT)}."
            )
        return Fingerprint(**known)

    def save_figures(self, directory: Path) -> None:
        """Write `run.json`."""
        text = json.dumps(self.figures, indent=2, ensure_ascii=False, allow_nan=False)
        (directory / FIGURES_FILE).write_text(text + "\n", encoding="utf-8")


@contextmanager
def replaced_files(*paths: Path) -> Iterator[list[Path]]:
    """Files that take the places of `paths` when the context ends without an error.

    They are in a folder of this process beside each, so that another one at the same files writes
    others, and whoever comes by removes what a killed one has left.

    Raises:
        EngineError: The disk refused.
        HalfWayInterrupt: For a KeyboardInterrupt when one had been replaced already.
    """
    folders_beside: dict[Path, LockedFolder] = {}
    done: list[str] = []
    try:
        for path in paths:
            if path.parent not in folders_beside:
                _remove_abandoned(path.parent)
                folders_beside[path.parent] = LockedFolder(path.parent, f".{path.name}{_MARK}")
        partials = [folders_beside[path.parent].path / path.name for path in paths]
        yield partials
        for partial, path in zip(partials, paths, strict=True):
            partial.replace(path)
            done.append(str(path))
    except OSError as error:
        what = " and ".join(map(str, paths))
        stays = f" {' and '.join(done)} had been written by then." if done else ""
        raise EngineError(f"{what} cannot be written: {error.strerror or error}.{stays}") from error
    except KeyboardInterrupt as error:
        if done:
            raise HalfWayInterrupt(f"{' and '.join(done)} had been written by then.") from error
        raise
    finally:
        for folder in folders_beside.values():
            folder.remove()


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
    """The directories beside outputs that were made for them, whether anybody lives or not."""
    return folders.found(parent, rf"\..+{re.escape(_MARK)}")


def _new_directory(out: Path) -> LockedFolder:
    prefix = f".{out.name}{_MARK}"
    beside = folders.found(out.parent, re.escape(prefix))
    if any(folders.state(directory) == "held" for directory in beside):
        raise EngineError(
            f"Another run is writing {out}: wait for it to end, or name another directory."
        )
    _restore(out)
    _remove_abandoned(out.parent)
    return LockedFolder(out.parent, prefix)


def _remove_abandoned(parent: Path) -> None:
    """Also of other runs: where each has a directory of its own, nobody else comes by."""
    for directory in staged_directories(parent):
        folders.remove_abandoned(directory)


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
