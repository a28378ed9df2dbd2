"""Files that DuckDB reads as a table: Parquet, CSV and JSON, by path, pattern, directory or URL.

Their columns are read as they stand: where DuckDB would guess from the first rows or from the first
file, it looks at all of them. It refuses what could be wrong silently.
"""

from __future__ import annotations

import glob
import json
import os
import re
import sys
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlstab.errors import DataError, EngineError, UsageError
from sqlstab.statements.sides import SIDES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_READERS = {
    "read_parquet": ("parquet", "parq", "pq"),
    "read_csv": ("csv", "tsv"),
    "read_json": ("json", "jsonl", "ndjson"),
}
_ENDINGS = {f".{ending}": reader for reader, known in _READERS.items() for ending in known}
_PACKED = (".gz", ".zst")
# What files of a directory may end in, as in `x.snappy.parquet` and `x.csv.gz`; else nothing.
_ENDING = re.compile(r"^.*?((\.[a-z]+(\.(gz|zst))?)?)$", re.S)
# Files that DuckDB does not read; such a name is not a table's either.
_OTHER = (
    *(".arrow", ".avro", ".feather", ".ipc", ".npy", ".npz", ".orc", ".pickle", ".pkl"),
    *(".safetensors", ".xls", ".xlsx"),
)

# A column of CSV is whole numbers, numbers, or text as it stands, whichever all of its rows are:
# what does not fit the first rows must not be rounded, and `007` is no number. Each line is a row.
_CSV_TYPES = "auto_type_candidates = ['BIGINT', 'DOUBLE', 'VARCHAR'], sample_size = -1"
_CSV = f"{_CSV_TYPES}, header = true, skip = 0, quote = '\"', comment = ''"

# The name of a drive is one letter. pathlib makes one slash of two.
_URL = re.compile(r"([a-z][a-z0-9+.-]+):/+", re.I)

# What tables have in their directory that are more than the files in it, and whose they are.
_VERSIONS = "metadata/*.metadata.json"
_LAKES = {
    "_delta_log": "Delta",
    _VERSIONS: "Iceberg",
    ".hoodie": "Hudi",
    "_spark_metadata": "Spark's streaming sink",
}
_MARKS = {marker.partition("/")[0] for marker in _LAKES}


def is_path(relation: str) -> bool:
    """Return whether the name of a relation is that of files."""
    if relation.startswith('"'):
        return False
    known = _reader(relation) or relation.lower().endswith(_OTHER)
    return bool(known) or "/" in relation or "*" in relation


def split(relation: str) -> list[str]:
    """Return the paths that a relation names, with commas between; one for a table."""
    paths = relation.split(",")
    # pathlib raises on a long list.
    if len(paths) > 1 and all(map(is_path, paths)) and not os.path.exists(relation):  # noqa: PTH110
        paths = [path.strip() for path in paths]
    else:
        paths = [relation]
    return [os.path.expanduser(path) for path in paths]  # noqa: PTH111 - keeps `./`


def join(paths: Iterable[str | os.PathLike[str]]) -> str:
    """Return the relation that names some paths.

    Raises:
        UsageError: One of them has a comma.
    """
    names = list(map(named, paths))
    for name in names:
        if "," in name:
            raise UsageError(f"{name!r}: a path with a comma cannot stand in a list of paths.")
    return ",".join(names)


def named(path: str | os.PathLike[str]) -> str:
    """Return a path as the name of a relation; a bare name would be that of a table."""
    if isinstance(path, str):
        return path
    return f"{'' if len(Path(path).parts) > 1 else './'}{path}"


def local(path: str | os.PathLike[str]) -> Path:
    """Return a path to write to.

    Raises:
        UsageError: It is a URL.
    """
    if _URL.match(str(path)):
        url = _URL.sub(r"\1://", str(path))
        raise UsageError(
            f"{url} is a URL, and sqlstab writes to local paths: name one, and copy from there."
        )
    return Path(path)


def local_file(path: str | os.PathLike[str]) -> Path:
    """Return the path of a file to write.

    Raises:
        UsageError: It is a URL, or in no directory.
    """
    found = local(path)
    if not found.parent.is_dir():
        raise UsageError(f"{path}: there is no directory {found.parent}; make it first.")
    return found


def call(relation: str, *, folders: bool = True) -> str:
    """Return the call that reads the files of a relation, as it stands after FROM.

    Args:
        relation: As a user names it.
        folders: Whether folders such as `day=2026-11-24` are columns, unless one file is named.

    Raises:
        UsageError: They are of a kind that is not read, or of several; or of several tables.
        DataError: They are a part of something else, or there are none in a directory.
    """
    table = lake_table(relation)
    if table:
        return f"{table.kind.lower()}_scan({_string(table.path)})"
    reader, patterns = _found(relation)
    source = ", ".join(map(_string, patterns))
    if len(patterns) > 1:
        source = f"[{source}]"
    options = {"read_csv": _CSV, "read_json": _json_columns(reader, patterns)}.get(reader, "")
    paths = split(relation)
    one = len(paths) == 1 and _is_file(paths[0])
    # Else the types of the first file would be those of all.
    several = not one and _is_several(patterns) and reader != "read_json"
    union = "union_by_name = true" if several else ""
    own = "" if folders and not one else "hive_partitioning = false"
    return f"{reader}({', '.join(filter(None, (source, options, union, own)))})"


def own_columns(relation: str) -> str | None:
    """Return the call that reads what stands in CSV and JSON files, without columns of folders.

    All columns of CSV are text.

    Returns:
        None for other files.
    """
    if not is_path(relation) or lake_table(relation) or _found(relation)[0] == "read_parquet":
        return None
    return call(relation, folders=False).replace(_CSV_TYPES, "all_varchar = true")


def folder_columns(relation: str) -> set[str]:
    """Return the columns that the folders of a relation's files are, in lower case."""
    patterns = _found(relation)[1]
    if "hive_partitioning = false" in call(relation):
        return set()
    folders = {part for path in (*patterns, *_files(patterns)) for part in path.split("/")[:-1]}
    return {part.partition("=")[0].lower() for part in folders if "=" in part}


def parquet(relation: str) -> str | None:
    """Return the patterns of the Parquet files that a relation names, as an SQL list, if it does.

    Raises:
        UsageError, DataError: See `call`.
    """
    if not is_path(relation) or lake_table(relation):
        return None
    reader, patterns = _found(relation)
    return f"[{', '.join(map(_string, patterns))}]" if reader == "read_parquet" else None


class Version(NamedTuple):
    """Tells one version of a file from another."""

    inode: int
    time: int
    size: int


def versions(relation: str) -> dict[str, Version]:
    """Return the versions of the local files of a relation, by their paths.

    Those of a table of Delta or Iceberg are left out: they never change, it has others instead.

    Raises:
        UsageError, DataError: See `call`.
    """
    # No system has a path with a zero in it.
    if "\0" in relation or not is_path(relation) or lake_table(relation):
        return {}
    found = {path: _version(path) for path in _files(_found(relation)[1])}
    return {path: version for path, version in found.items() if version}


def check_unchanged(known: Mapping[str, Version]) -> None:
    """Check that files are still those that they were, so that all statements read one version.

    New files of a pattern or a directory need no check: the rows are counted.

    Raises:
        EngineError: One has been replaced, written to, or removed.
    """
    for path, version in known.items():
        now = _version(path)
        if now != version:
            raise EngineError(
                f"{path} was {'changed' if now else 'removed'} while it was read, so nothing is "
                "kept: run it again when all files are written."
            )


def _version(path: str) -> Version | None:
    try:
        found = Path(path).stat()
    except OSError:
        return None
    return Version(found.st_ino, found.st_mtime_ns, found.st_size)


class LakeTable(NamedTuple):
    """A table of Delta or Iceberg: of a directory, or of one version's file in it.

    Attributes:
        kind: `Delta` or `Iceberg`; in lower case the name of DuckDB's extension.
        path: Absolute.
    """

    kind: str
    path: str

    @property
    def parquet(self) -> str:
        """The pattern of its files, also of those that it has no longer."""
        path = Path(self.path)
        folder = path if path.is_dir() else path.parents[1]
        return str(Path(no_pattern(str(folder))) / "**" / "*.parquet")


def lake_table(relation: str) -> LakeTable | None:
    """Return the table of Delta or Iceberg that a relation is, if it is one.

    Raises:
        DataError: It is one of Iceberg, of which only its catalogue knows the version.
    """
    (path, *others) = split(relation)
    if others or not is_path(relation):
        return None
    whole = Path(path).absolute()
    if (whole / "_delta_log").is_dir():
        return LakeTable("Delta", str(whole))
    if whole.match(_VERSIONS) and whole.is_file():
        return LakeTable("Iceberg", str(whole))
    versions = _glob(str(Path(glob.escape(str(whole)), _VERSIONS))) if whole.is_dir() else []
    if not versions:
        return None
    if not (whole / "metadata" / "version-hint.text").is_file():
        newest = max(versions, key=lambda file: Path(file).stat().st_mtime)
        raise DataError(
            f"{relation} is a table of Iceberg, and its catalogue alone knows its version: name "
            f"that file, which may be the newest, {newest}."
        )
    return LakeTable("Iceberg", str(whole))


def exact(paths: Sequence[str]) -> str:
    """Return a call that reads these Parquet files; `key=value` in their paths is a column of text.

    Args:
        paths: Paths, which are not patterns.
    """
    listed = ", ".join(_string(no_pattern(path)) for path in paths)
    return f"read_parquet([{listed}], hive_partitioning = true, hive_types_autocast = false)"


def no_pattern(path: str) -> str:
    """Return the pattern that matches a path alone: for DuckDB `x[1]` is `x1` where that exists."""
    return re.sub(r"[\[*?]", r"[\g<0>]", path)


def _string(text: str) -> str:
    if text.splitlines() != [text]:
        raise UsageError(f"The path or the column {text!r} must be one line of text.")
    return "'" + text.replace("'", "''") + "'"


def _is_local(path: str) -> bool:
    return "://" not in path


def _is_several(patterns: Sequence[str]) -> bool:
    """Return whether patterns can match several files; in a URL `?` begins its parameters."""
    several = ("*", "[", "?") if _is_local(patterns[0]) else ("*", "[")
    return len(patterns) > 1 or any(sign in patterns[0] for sign in several)


def _is_file(path: str) -> bool:
    # pathlib raises on a long list.
    return _is_local(path) and os.path.isfile(path)  # noqa: PTH113


def _glob(pattern: str) -> list[str]:
    # As DuckDB does, which finds hidden files; Python 3.10 cannot.
    hidden: Any = {"include_hidden": True} if sys.version_info >= (3, 11) else {}
    # Not pathlib's, whose patterns cannot begin with a slash.
    return sorted(glob.glob(pattern, recursive=True, **hidden))  # noqa: PTH207


def _files(patterns: Iterable[str]) -> list[str]:
    """List the local files that match patterns."""
    return sorted({file for one in patterns for file in _glob(one) if _is_file(file)})


def _reader(path: str) -> str | None:
    """Return the function that reads files with the ending of this one."""
    name = (path if _is_local(path) else path.partition("?")[0]).lower()
    for packed in _PACKED:
        name = name.removesuffix(packed)
    return _ENDINGS.get(os.path.splitext(name)[1])  # noqa: PTH122 - without regard to folders


def _found(relation: str) -> tuple[str, list[str]]:
    """Find what reads the files of a relation, and the files as patterns.

    Raises:
        UsageError, DataError: See `call`.
    """
    found = [_read(path) for path in split(relation)]
    first, second, *_ = (*dict.fromkeys(reader for reader, _ in found), None)
    if second:
        raise UsageError(
            f"{relation} has files for {first} and for {second}: name those of one kind."
        )
    return str(first), [pattern for _, patterns in found for pattern in patterns]


def _read(path: str) -> tuple[str, list[str]]:
    """Find what reads a path, and the files as patterns."""
    if not _is_local(path):
        reader = _reader(path)
        if reader == "read_json" or path.partition("?")[0].lower().endswith(_OTHER):
            raise UsageError(
                f"{path}: from a URL, tables are read as Parquet or CSV; download JSON, or write "
                "it as Parquet."
            )
        return reader or "read_parquet", [path]
    _check_no_lake(path)
    if Path(path).is_dir():
        return _directory(path)
    if _is_file(path):
        return _reader_of(path, [path]), [no_pattern(path)]
    files = list(filter(_is_file, _glob(path)))
    hidden = [file for file in files if _is_hidden(file) and not _is_hidden(path)]
    if hidden:
        raise UsageError(
            f"{path} is also {hidden[0]}, which by its name is no data: name a directory, in which "
            "such files are left out, or a narrower pattern."
        )
    # Without a file, DuckDB raises.
    return _reader_of(path, files or [path]), [path]


def _reader_of(path: str, files: Sequence[str]) -> str:
    """Return the function that reads all of these files.

    Raises:
        UsageError: Some are of another kind than others, or of one that is not read.
    """
    kinds = {_kind(file): file for file in reversed(files)}
    if len(kinds) > 1:
        first, second, *_ = sorted(kinds.values())
        raise UsageError(
            f"{path} has files of several kinds, such as {first} and {second}: name those of one, "
            "as in './users/*.parquet'."
        )
    ((reader, file),) = kinds.items()
    if not reader:
        raise UsageError(
            f"{file} is no file that a table is read from: that is Parquet, CSV (.csv, .tsv) or "
            "JSON (.json, .jsonl, .ndjson). Write its rows as Parquet, or, in Python, read them "
            "into a frame of pandas, polars or pyarrow, and pass that in the place of the name."
        )
    return reader


def _kind(file: str) -> str:
    """Return the function that reads a file, by its ending or its first bytes; "" if none does."""
    reader = _reader(file)
    if reader or file.lower().endswith(_OTHER):
        return reader or ""
    try:
        with Path(file).open("rb") as content:
            return "read_parquet" if content.read(4) == b"PAR1" else ""
    except OSError:  # it is a pattern, or for DuckDB to complain about
        return "read_parquet"


def _is_hidden(path: str) -> bool:
    """Return whether Hive and Spark take no rows from a file: `_SUCCESS`, `.crc`, `_temporary/`."""
    return any(
        (part.startswith("_") and "=" not in part) or (part.startswith(".") and part != "..")
        for part in Path(path).parts
    )


def _directory(path: str) -> tuple[str, list[str]]:
    """Find what reads the files in a directory and below it, and the files as patterns.

    Raises:
        UsageError: Its files are several tables, or of several kinds.
        DataError: There are none, or they are part of something else.
    """
    top, every, errors = Path(path), [], list[OSError]()
    for folder, folders, names in os.walk(path, followlinks=True, onerror=errors.append):
        if _MARKS & set(folders):
            _check_no_lake(folder)
        every += [(Path(folder) / name).relative_to(top) for name in names]
    every.sort()
    if errors:
        raise DataError(f"The directory {path} cannot be read: {errors[0]}.")
    data = [file for file in every if not _is_hidden(str(file))]
    for parent in sorted({top, *(top / file.parent for file in data)}):
        _check_no_run(parent)
    if not data:
        there = f"; {every[0]} is no data by its name" if every else ""
        raise DataError(f"The directory {path} has no files to read, nor any below it{there}.")
    paths = [str(top / file) for file in data]
    reader = _reader_of(path, paths)
    keys = _keys(path, data)
    endings = {_ENDING.sub(r"\1", file.name) for file in data}
    ending = endings.pop() if len(endings) == 1 else ""
    for start in ("*", "[!._]*"):
        pattern = [*(f"{no_pattern(key)}=*" for key in keys), f"{start}{ending}"]
        if [file for file in every if _matches(file, pattern)] == data:
            return reader, [str(Path(no_pattern(str(top)), *pattern))]
    return reader, list(map(no_pattern, paths))


def _keys(path: str, files: Sequence[Path]) -> list[str]:
    """Return the columns that the folders below a directory are named for: `ds` of `ds=2026-11-30`.

    Raises:
        UsageError: There are other folders, or other columns in one place than in another.
    """
    found = {tuple(part.partition("=")[:2] for part in file.parent.parts): file for file in files}
    first, *others = found
    remedy = "Name one of its folders, or a pattern such as './users/*/*.parquet'."
    if others:
        raise UsageError(
            f"{path} is not one table: {found[first]} and {found[others[0]]} are in folders of "
            f"different columns. {remedy}"
        )
    if not all(equals for _, equals in first):
        raise UsageError(
            f"{path} is not one table: {found[first]} is in a folder that is no partition, such as "
            f"ds=2026-11-30. {remedy}"
        )
    return [key for key, _ in first]


def _matches(file: Path, pattern: Sequence[str]) -> bool:
    """Return whether DuckDB finds a file by a pattern, in which `*` stands for no slash."""
    return len(file.parts) == len(pattern) and all(map(fnmatchcase, file.parts, pattern))


def _check_no_run(folder: Path) -> None:
    """Refuse a directory whose files are several tables: of a run, or of a space.

    Raises:
        UsageError: It is such a directory.
    """
    if next(folder.glob("*=*/maps.parquet"), None):
        raise UsageError(
            f"{folder} is a space, which has a directory for each run: name a table of one, as "
            f"in {folder}/run=2026-11-30/items.parquet."
        )
    names = sorted(path.name for path in folder.glob("*.parquet"))
    of_sides = [f"{side}.parquet" for side in SIDES]
    if (folder / "run.json").is_file() or set(of_sides) <= set(names):
        raise UsageError(
            f"{folder} is the directory of a model, in which each file is a table of its own: "
            f"name one, as in {folder / (names or of_sides)[-1]}."
        )


def _check_no_lake(path: str) -> None:
    """Refuse files of a table that is more than its files: some of them may hold deleted rows.

    Raises:
        DataError: They are such files.
    """
    whole = Path(glob.escape(path) if Path(path).exists() else path).absolute()
    for folder in (whole, *whole.parents):
        for marker, kind in _LAKES.items():
            for found in _glob(str(folder / marker))[:1]:
                table = Path(found).parents[marker.count("/")]
                remedy = (
                    f"Name the whole table, {table}, and a part of it by --filter"
                    if kind in ("Delta", "Iceberg")
                    else "Name it on an engine where it is a table, such as Spark or Trino"
                )
                raise DataError(
                    f"{path} has files of {table}, a table of {kind}, which may hold rows that it "
                    f"has no longer. {remedy}; or pass its rows as a frame, in Python."
                )


def _json_columns(reader: str, patterns: Sequence[str]) -> str:
    """Return the option that names the columns of JSON files.

    DuckDB would take text that looks like a date, a time or a UUID for one, and 1.5 for 2 where the
    first rows have whole numbers. `json_group_structure` has read all rows, and leaves text alone.

    Raises:
        DataError: The files cannot be read.
    """
    if reader != "read_json":
        return ""
    files = _files(patterns)
    stamp = tuple(map(_version, files))
    return _columns_of(tuple(map(_string, patterns)), tuple(files), stamp) if files else ""


@lru_cache(maxsize=64)
def _columns_of(patterns: tuple[str, ...], files: tuple[str, ...], stamp: tuple[Any, ...]) -> str:
    import duckdb  # noqa: PLC0415 - takes 0.1 s

    query = f"SELECT json_group_structure(json) FROM read_json_objects([{', '.join(patterns)}])"
    with duckdb.connect() as session:
        try:
            ((text,),) = session.execute(query).fetchall()
        except duckdb.Error as error:
            first = str(error).strip().partition("\n")[0]
            raise DataError(f"{files[0]} cannot be read: {first}") from error
    structure = json.loads(text or "null")
    if not isinstance(structure, dict):
        return ""
    columns = [f"{_string(key)}: '{_json_type(found)}'" for key, found in structure.items()]
    return f"columns = {{{', '.join(columns)}}}"


def _json_type(found: Any) -> str:
    """Return the type of a column from what its values are; `JSON` for what is no vector."""
    if isinstance(found, list):
        return "DOUBLE[]" if _json_type(found[0]) in ("BIGINT", "DOUBLE") else "JSON"
    if found in ("VARCHAR", "DOUBLE", "BOOLEAN"):
        return str(found)
    return "BIGINT" if found in ("BIGINT", "UBIGINT", "HUGEINT") else "JSON"
