"""A space on files: a folder for each run, written under another name and then renamed."""

from __future__ import annotations

import ctypes
import errno
import hashlib
import json
import os
import re
import shutil
import sys
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlstab import folders, saved
from sqlstab.engines import dialect as dialect_named
from sqlstab.errors import ConflictError, DataError, EngineError, HalfWayInterrupt, UsageError
from sqlstab.folders import LockedFolder, locked
from sqlstab.space.entry import Around, Entry, Rows, case
from sqlstab.space.key import Key, check_lengths, escaped, order, unescaped
from sqlstab.space.target import DirectoryTarget, file_name
from sqlstab.statements import quoting
from sqlstab.statements.files import is_path, local, split

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pyarrow as pa

    from sqlstab.maths.solve import Matrix
    from sqlstab.statements.table import Column

FIGURES_FILE = "run.json"
MAPS_FILE = "maps.parquet"
# Maps for models that were trained on other runs. Readers of a run's own maps need not tell them
# apart, and these stay as they were written.
FEATURES_FILE = "features.parquet"
REPORT_FILE = "report.html"
# The files of a run, in its run.json.
FILES = "files"
# What they were when they were written, by name: of a run that a script made it is unknown.
_DIGESTS = "digests"
# Bytes at the end of a Parquet file that have its counts and ranges; of maps, most of the file.
_DIGESTED = 2**16
# Stands in the name of a folder that is to be a run's.
_MARK = ".sqlstab-"
# Ends the name of a run that was moved aside, where two folders cannot change places.
_ASIDE = ".aside"
_FOLDER = re.compile(r"(?P<column>[^.=][^=]*)=(?P<key>.+)")
_STAGED = rf"\.[^.=][^=]*=.+{re.escape(_MARK)}"
# What a folder holds that was to be a run's, or was dropped: DuckDB writes to `tmp_` first.
_STAGED_HOLDS = rf"(tmp_)?\w+\.parquet|{FIGURES_FILE}|{REPORT_FILE}|{_FOLDER.pattern}"


class _Seen(NamedTuple):
    """Tells one version of a run's folder from another."""

    folder: int
    file: int
    time: int
    size: int


class DirectorySpace:
    """A directory with a folder for each run.

    Args:
        path: The directory. It is made when a run is written.

    Attributes:
        path: With symbolic links followed: two ways to one directory are one space.

    Raises:
        UsageError: It is a URL, or no valid path.
    """

    def __init__(self, path: str | Path) -> None:
        try:
            self.path = local(path).expanduser().resolve()
        except (OSError, RuntimeError, ValueError) as error:
            # No home, a loop of links, a working directory that is gone.
            raise UsageError(f"{path} is not a valid path of a directory: {error}.") from error
        self.dialect = dialect_named("duckdb")
        # Once it is known, the folder of a key is looked up without a look at all the others.
        self._column: str | None = None
        if self.path.exists() and not self.path.is_dir():
            raise UsageError(f"{path} is not a directory, as a space on files is; name one.")

    def __repr__(self) -> str:
        """Show where it is."""
        return f"DirectorySpace({str(self.path)!r})"

    # Reading

    def entries(self) -> list[Entry]:
        """List the runs, in the order of their keys.

        Raises:
            EngineError: The directory cannot be read.
        """
        found = self._folders()
        by = order(found)
        return [
            Entry(key, partial(_figures, found[key], key), partial(_changed, found[key], key))
            for key in sorted(found, key=by.__getitem__)
        ]

    def around(self, key: Key) -> Around:
        """List the runs before a key, with it, and after it.

        Raises:
            UsageError: The space has another column for its keys, or the key is text with numbers
                of another length than theirs.
        """
        entries = self.entries()
        self._check_column(key)
        by = order((entry.key for entry in entries), key.value)
        own = by[key.value]
        if own.number is None:
            check_lengths(key.value, by, self.path)
        return Around(
            [entry for entry in entries if by[entry.key] < own],
            next((entry for entry in entries if entry.key == key.value), None),
            [entry for entry in entries if own < by[entry.key]],
        )

    def column(self) -> str | None:
        """Return the column of the keys; None where there are no runs.

        Raises:
            DataError: Runs have several.
        """
        if self._column is None:
            self._folders()
        return self._column

    def folder(self, key: str) -> Path:
        """Return the folder of an existing run.

        Raises:
            DataError: There is no such run.
        """
        column = self.column()
        path = self.path / Key(key, column).folder if column else None
        if path is None or not (path / FIGURES_FILE).is_file():
            raise DataError(f"There is no run {key} in {self.path}.")
        return path

    def maps(self, key: str) -> dict[str, Matrix]:
        """Read the maps of a run: (e, d) by side.

        Raises:
            DataError: There is no such run, or its file cannot be read or is not the run's.
        """
        folder = self.folder(key)
        if MAPS_FILE in _changed(str(folder), key):
            raise DataError(
                f"{folder / MAPS_FILE} is not the file that the run {key} wrote: it was replaced "
                "or edited. Put it back, or drop the run or run it again."
            )
        return _read_maps(folder / MAPS_FILE)

    def reference(self, side: str, weights: Mapping[str, float]) -> Rows:
        """Return the stable rows of some runs as one relation.

        Args:
            side: The table.
            weights: The weight of each run, by its key.

        Raises:
            DataError: A run is not there, or has no such table.
        """
        files = []
        for key in weights:
            path = self.folder(key) / file_name(side)
            if not path.is_file():
                raise DataError(f"The run {key} of {self.path} has no stable {side}: {path}.")
            files.append(str(path))
        column = self.column() or ""
        literals = {quoting.string(key, self.dialect): value for key, value in weights.items()}
        weight = case(quoting.identifier(column, self.dialect), literals, self.dialect.number)
        return Rows(f"{self.path}/*/{file_name(side)}", tuple(files), None, weight)

    # Writing

    def check_inputs(self, relations: Mapping[str, str]) -> None:
        """Check that no input is a file of the space.

        Raises:
            UsageError: One is.
        """
        for side, relation in relations.items():
            for name in split(relation) if is_path(relation) else ():
                path = Path(name).resolve()
                inside = path.is_relative_to(self.path) and path.relative_to(self.path).parts
                if inside and (_FOLDER.fullmatch(inside[0]) or "*" in inside[0]):
                    raise UsageError(
                        f"{side} table {relation} is in the space {self.path}, whose files are "
                        "stable vectors of runs: name the raw ones."
                    )

    def check(
        self, outputs: Mapping[str, Sequence[Column]], key: Key, *, make: bool = True
    ) -> None:
        """Check that a run can be written, before anything is read.

        Raises:
            UsageError: The key's folder is not a run's, or the space has another column for its
                keys; or the directory cannot be made.
        """
        self._check_column(key)
        names = {column.name.lower() for columns in outputs.values() for column in columns}
        key.check_beside(names)
        for part in self.path.parts:
            name = part.partition("=")[0].lower()
            if "=" in part and name in {*names, key.column.lower()}:
                raise UsageError(
                    f"{self.path}: who reads a file below {part} by hive partitioning finds the "
                    f"value of that folder in its column {name}; put the space elsewhere."
                )
        _check_replaceable(self.path / key.folder)
        if make:
            self._make()

    def target(self, key: Key) -> DirectoryTarget:
        """Return where a run is written, for who prints or explains it."""
        final = self.path / key.folder
        return DirectoryTarget(final, final, self.dialect)

    def keep_features(self, key: str, as_of: str, maps: Mapping[str, Matrix]) -> None:
        """Keep the feature maps of a run for models that were trained on another one.

        Writes the file under another name, and replaces the one before by one rename.

        Args:
            key: The run whose vectors they take.
            as_of: The run that the models were trained on.
            maps: (e, d) by side; they take the place of those of the same runs and sides.

        Raises:
            DataError: There is no such run, or its file cannot be read.
            EngineError: The disk refused.
        """
        import pyarrow as pa  # noqa: PLC0415
        import pyarrow.compute as pc  # noqa: PLC0415
        import pyarrow.parquet as pq  # noqa: PLC0415

        from sqlstab import parquet  # noqa: PLC0415 - loads pyarrow

        found = _entries(maps)
        found = found.append_column("feature_of", pa.array([as_of] * len(found), pa.string()))
        path = self.folder(key) / FEATURES_FILE
        try:
            with locked(self.path):
                if path.exists():
                    before = parquet.read(path)
                    same = (pc.field("feature_of") == as_of) & pc.field("side").isin(list(maps))
                    found = pa.concat_tables([before.filter(~same), found])
                beside = LockedFolder(self.path, f".{path.parent.name}{_MARK}")
                try:
                    pq.write_table(found, beside.path / FEATURES_FILE)
                    (beside.path / FEATURES_FILE).replace(path)
                finally:
                    beside.remove()
        except (KeyError, pa.ArrowException) as error:
            raise DataError(
                f"{path} is damaged: {error}. Remove it; feature maps can be fitted again."
            ) from error
        except OSError as error:
            raise _failed(path, error) from error

    @contextmanager
    def staging(self, key: Key) -> Iterator[DirectoryTarget]:
        """Make a temporary folder for the run; `finish` puts it in place.

        What is not in place by the end of the context is gone. What killed runs have left in the
        space is removed first.

        Raises:
            UsageError: The key's folder is not a run's.
            EngineError: The disk refused.
            ConflictError: See `finish`.
        """
        self.check({}, key)
        final = self.path / key.folder
        try:
            with locked(self.path):
                self._tidy()
                seen = _seen(final)
                folder = LockedFolder(self.path, f".{key.folder}{_MARK}")
        except OSError as error:
            raise _failed(final, error) from error
        target = _Staged(folder.path, final, self.dialect, seen)
        try:
            try:
                umask = os.umask(0)
                os.umask(umask)
                folder.path.chmod(0o777 & ~umask)
                yield target
            finally:
                # After an exchange, the earlier run; that may take a moment.
                folder.remove()
        except OSError as error:
            raise _failed(final, error) from error
        except KeyboardInterrupt as error:
            if target.finished:
                raise HalfWayInterrupt(f"{final} had been written by then.") from error
            raise

    def finish(
        self, target: DirectoryTarget, maps: Mapping[str, Matrix], figures: str | dict[str, Any]
    ) -> Path:
        """Write the maps and the figures, and put the run in place as a whole.

        Args:
            target: What `staging` gave.
            maps: (e, d) by side.
            figures: What `run.json` is to hold.

        Returns:
            The folder of the run.

        Raises:
            ConflictError: Another run with this key has finished, or was dropped, since.
            EngineError: The disk refused.
            UsageError: The folder has other files in it.
        """
        if not isinstance(target, _Staged):
            raise TypeError("finish takes what staging gave")
        try:
            _write_maps(target.folder / MAPS_FILE, maps)
            known = json.loads(figures) if isinstance(figures, str) else dict(figures)
            files = sorted(target.folder.iterdir())
            known[FILES] = [path.name for path in files]
            known[_DIGESTS] = {path.name: _digest(path) for path in files}
            text = json.dumps(known, indent=2, ensure_ascii=False, allow_nan=False)
            (target.folder / FIGURES_FILE).write_text(text + "\n", encoding="utf-8")
            with locked(self.path):
                _check_replaceable(target.final)
                if _seen(target.final) != target.seen:
                    raise ConflictError(
                        f"Another run has written or dropped {target.final} meanwhile: it stays "
                        "as it is now, and this run is discarded."
                    )
                if known.get("reference", "") is None and not known["options"]["force"]:
                    self._check_alone(known["key"])
                target.place_folder()
        except OSError as error:
            raise _failed(target.final, error) from error
        return target.final

    def _check_alone(self, key: str) -> None:
        """Raise if another first run has begun the space since."""
        others = [run.key for run in self.entries() if run.key != key]
        if others:
            raise ConflictError(
                f"Another run, {others[0]}, has begun {self.path} meanwhile, and this one would "
                "have axes of its own; it is discarded. Run it again."
            )

    def drop(self, keys: Sequence[str]) -> None:
        """Remove runs.

        Raises:
            DataError: One is not there; none is removed then.
            UsageError: A folder has files that are not a run's; none is removed then.
            EngineError: The disk refused.
        """
        paths = [self.folder(key) for key in keys]
        for path in paths:
            _check_replaceable(path)
        try:
            for path in paths:
                # A folder that a reader sees is whole: it leaves by one renaming, too.
                with locked(self.path):
                    beside = LockedFolder(self.path, f".{path.name}{_MARK}")
                    try:
                        path.rename(beside.path / path.name)
                    finally:
                        beside.remove()
        except OSError as error:
            raise EngineError(f"{path} cannot be removed: {error.strerror or error}.") from error

    # Within

    def _folders(self) -> dict[str, str]:
        """Return the folders of runs by key, and learn the column of the keys.

        Raises:
            DataError: Runs have several columns.
            EngineError: The directory cannot be read.
        """
        found = {}
        columns = set()
        try:
            with os.scandir(self.path) as entries:
                for entry in entries:
                    match = _FOLDER.fullmatch(entry.name)
                    if match and os.path.isfile(f"{entry.path}/{FIGURES_FILE}"):  # noqa: PTH113 - half the time
                        key, column = unescaped(match["key"]), unescaped(match["column"])
                        if f"{escaped(column)}={escaped(key)}" != entry.name:
                            raise DataError(
                                f"{entry.path} stands for the run {key}, whose folder is "
                                f"{escaped(column)}={escaped(key)}: give it this name, or move it "
                                "out of the space."
                            )
                        found[key] = entry.path
                        columns.add(column)
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise EngineError(f"{self.path} cannot be read: {error.strerror}.") from error
        if len(columns) > 1:
            raise DataError(
                f"{self.path} has runs with several columns as their key, "
                f"{', '.join(sorted(columns))}: a space has one. Move the others "
                "to a directory of their own."
            )
        self._column = columns.pop() if columns else None
        return found

    def _check_column(self, key: Key) -> None:
        column = self.column()
        if column not in (None, key.column):
            raise UsageError(
                f"The runs of {self.path} have the column {column} as their key, not "
                f"{key.column}: write {key.in_column(str(column))}, or name another space."
            )

    def _make(self) -> None:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"{self.path} cannot be made: {error.strerror}.") from error
        if not os.access(self.path, os.W_OK | os.X_OK):
            raise UsageError(f"{self.path} cannot be written: permission denied.")

    def _tidy(self) -> None:
        """Remove what killed runs have left; put back a run that was moved aside.

        The caller has the lock on the space, so no other process moves one.
        """
        for aside in folders.found(self.path, _STAGED, _STAGED_HOLDS, _ASIDE):
            final = self.path / aside.name[1:].rpartition(_MARK)[0]
            if os.path.lexists(final):
                shutil.rmtree(aside, ignore_errors=True)
            else:
                aside.rename(final)
        for path in folders.found(self.path, _STAGED, _STAGED_HOLDS):
            folders.remove_abandoned(path)


class _Staged(DirectoryTarget):
    """A folder that this process writes.

    Attributes:
        seen: What stood in its place at the start.
        number: The inode of the folder.
    """

    seen: _Seen | None
    number: int

    def __init__(self, folder: Path, final: Path, dialect: Any, seen: _Seen | None) -> None:
        super().__init__(folder, final, dialect)
        object.__setattr__(self, "seen", seen)
        object.__setattr__(self, "number", folder.stat().st_ino)

    @property
    def finished(self) -> bool:
        """Whether it is in place: asked of the disk, as a signal may come right after it."""
        try:
            return self.final.stat().st_ino == self.number
        except OSError:
            return False

    def place_folder(self) -> None:
        """Put it in place: in one step, where the system can."""
        if not self.final.exists():
            self.folder.rename(self.final)
        elif not _exchange(self.final, self.folder):
            # Two renames. After a kill between them the next run puts the earlier one back.
            aside = self.folder.with_name(f"{self.folder.name}{_ASIDE}")
            self.final.rename(aside)
            try:
                self.folder.rename(self.final)
            except OSError:
                aside.rename(self.final)
                raise
            shutil.rmtree(aside, ignore_errors=True)


def _failed(path: Path, error: OSError) -> EngineError:
    reason = error.strerror or str(error)
    return EngineError(f"{path} cannot be written: {reason}; it is as it was.")


def _seen(path: Path) -> _Seen | None:
    try:
        folder, file = path.stat(), (path / FIGURES_FILE).stat()
    except FileNotFoundError:
        return None
    return _Seen(folder.st_ino, file.st_ino, file.st_mtime_ns, file.st_size)


def _check_replaceable(path: Path) -> None:
    """Refuse to replace what sqlstab has not made.

    Raises:
        UsageError: It is no folder, or holds files that are not a run's.
    """
    if path.is_symlink() or (path.exists() and not path.is_dir()):
        raise UsageError(
            f"{path} is not a folder that sqlstab made, so it is not replaced; take another key, "
            "or move it away."
        )
    if not path.exists():
        return
    names = {entry.name for entry in path.iterdir()}
    files = {entry.name for entry in path.iterdir() if entry.is_file() and not entry.is_symlink()}
    strange = sorted(names - (_own_files(path) & files))
    if strange or not names:
        shown = ", ".join(strange[:3]) + ", ..." * (len(strange) > 3)
        what = f"holds files that are not a run's ({shown})" if strange else "is empty"
        raise UsageError(
            f"{path} {what}: sqlstab did not make it, so it is not replaced. Take another key, or "
            "move it away."
        )


def _own_files(path: Path) -> set[str]:
    """List the files that the run in a folder has written, as its run.json names them."""
    try:
        listed = saved.loads((path / FIGURES_FILE).read_text(encoding="utf-8"))[FILES]
        return {FIGURES_FILE, REPORT_FILE, FEATURES_FILE, *listed}
    except (OSError, TypeError, ValueError, KeyError):
        return set()


def _figures(folder: str, key: str) -> dict[str, Any]:
    source = Path(folder) / FIGURES_FILE
    try:
        found = saved.loads(source.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{source} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{source} is damaged: it is not UTF-8 text.") from error
    except ValueError as error:
        raise DataError(f"{source} is damaged: {error}.") from error
    if not isinstance(found, dict):
        raise DataError(f"{source} is damaged: it is not a JSON object.")
    if found.get("key", key) != key:
        raise DataError(
            f"{source} is that of the run {saved.shown(found['key'])}, but the folder is that of "
            f"{key}: give a folder that was renamed its name again; drop a copy, or move it out of "
            "the space."
        )
    return found


def _changed(folder: str, key: str) -> list[str]:
    """List the files of a run that are there but are not those that it wrote."""
    known = _figures(folder, key)
    found = []
    for name, digest in (known.get(_DIGESTS) or {}).items():
        with suppress(FileNotFoundError):
            if _digest(Path(folder) / name) != digest:
                found.append(name)
    if found and _figures(folder, key) != known:
        # Another process has written the run again meanwhile.
        return _changed(folder, key)
    return found


def _digest(path: Path) -> str:
    """Return what tells a file from another one: of its size and its end."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _DIGESTED))
        return hashlib.sha256(b"%d " % size + file.read()).hexdigest()


def _write_maps(path: Path, maps: Mapping[str, Matrix]) -> None:
    import pyarrow.parquet as pq  # noqa: PLC0415

    pq.write_table(_entries(maps), path)


def _entries(maps: Mapping[str, Matrix]) -> pa.Table:
    """Return the entries of matrices by side: side, i, j (from 1), value."""
    import numpy as np  # noqa: PLC0415
    import pyarrow as pa  # noqa: PLC0415

    from sqlstab import folds  # noqa: PLC0415 - loads numpy

    tables = []
    for side, matrix in maps.items():
        i, j = np.indices(matrix.shape, dtype=np.int32) + 1
        columns = {
            "side": _repeated(side, matrix.size),
            "i": folds.arrow(i.ravel()),
            "j": folds.arrow(j.ravel()),
            "value": folds.arrow(np.ascontiguousarray(matrix, dtype=np.float64).ravel()),
        }
        tables.append(pa.table(columns))
    return pa.concat_tables(tables).combine_chunks()


def _repeated(text: str, count: int) -> pa.Array:
    """Return a text so many times; not by `pa.repeat`, which imports pandas, as `folds` says."""
    import numpy as np  # noqa: PLC0415
    import pyarrow as pa  # noqa: PLC0415

    data = text.encode()
    ends = np.arange(count + 1, dtype=np.int32) * len(data)
    return pa.StringArray.from_buffers(count, pa.py_buffer(ends), pa.py_buffer(data * count))


def _read_maps(path: Path) -> dict[str, Matrix]:
    import pyarrow as pa  # noqa: PLC0415

    from sqlstab import parquet  # noqa: PLC0415 - loads pyarrow

    try:
        table = parquet.read(path)
        # Text that is not UTF-8, and times beyond what Python has, are noticed only as values.
        columns = [table[name].to_pylist() for name in ("side", "i", "j", "value")]
    except (OSError, KeyError, OverflowError, ValueError, pa.ArrowException) as error:
        raise DataError(f"{path} cannot be read: {error}.") from error
    return matrices(list(zip(*columns, strict=True)), str(path))


def matrices(entries: Sequence[tuple[str, int, int, float]], where: str) -> dict[str, Matrix]:
    """Return matrices by side from their entries: side, i, j (from 1), value.

    Raises:
        DataError: Some entries are missing, occur twice, or are no numbers.
    """
    import numpy as np  # noqa: PLC0415

    found: dict[str, dict[tuple[int, int], float]] = {}
    for entry in entries:
        side, i, j, value = entry
        try:
            place, number = (int(i), int(j)), float(value)
        except (OverflowError, TypeError, ValueError):
            place, number = (0, 0), 0.0
        if not isinstance(side, str) or min(place) < 1:
            raise DataError(f"{where}: the maps are damaged: {saved.shown(entry)} is not an entry.")
        found.setdefault(side, {})[place] = number
    result: dict[str, Matrix] = {}
    for side, values in sorted(found.items()):
        shape = max(i for i, _ in values), max(j for _, j in values)
        if len(values) != shape[0] * shape[1] or len(values) != sum(e[0] == side for e in entries):
            raise DataError(f"{where}: the map of the {side} is damaged: entries are missing.")
        matrix = np.empty(shape)
        for (i, j), value in values.items():
            matrix[i - 1, j - 1] = value
        result[side] = matrix
    if not result:
        raise DataError(f"{where}: there are no maps of this run.")
    return result


def _exchange(first: Path, second: Path) -> bool:
    """Let two folders change places in one step; False where the system cannot.

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
