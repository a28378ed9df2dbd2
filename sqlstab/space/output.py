"""New files and tables for stable vectors that belong to no run."""

from __future__ import annotations

import os
import secrets
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

from sqlstab.engines.base import are_same
from sqlstab.errors import ConflictError, EngineError, UsageError
from sqlstab.space.directory import FIGURES_FILE
from sqlstab.space.target import copy, stable_rows
from sqlstab.statements import ddl
from sqlstab.statements.files import is_path, local_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlstab.engines.base import Engine
    from sqlstab.maths.solve import Matrix
    from sqlstab.statements.dialect import Dialect
    from sqlstab.statements.table import StableTable, VectorTable


@dataclass(frozen=True)
class OneTarget:
    """New files or tables by name, for vectors that belong to no run.

    Attributes:
        files: The Parquet file of a side.
        names: The table of a side.
        dialect: Of the engine that writes them.
        token: Makes the names of unfinished files unique.
    """

    files: Mapping[str, Path]
    names: Mapping[str, str]
    dialect: Dialect
    token: str = field(default_factory=lambda: secrets.token_hex(4))

    @classmethod
    def of(cls, outputs: Mapping[str, str | Path], engine: Engine) -> OneTarget:
        """Tell files from tables, and check that outputs are valid and new.

        Raises:
            UsageError: An output exists, is in no directory, or its name is invalid.
        """
        files: dict[str, Path] = {}
        names: dict[str, str] = {}
        for side, output in outputs.items():
            in_file = isinstance(output, Path) or is_path(output)
            lost = not getattr(engine, "holds_tables", True)
            if engine.dialect.reads_files and (in_file or lost):
                if Path(output).suffix != ".parquet":
                    raise UsageError(
                        f"{output}: vectors are written to a file that ends in .parquet, or to a "
                        "table of a database, which --database names."
                    )
                files[side] = local_file(output)
                if (files[side].resolve().parent / FIGURES_FILE).exists():
                    raise UsageError(
                        f"{output} is in the folder of a run, which has the files of that run "
                        "alone: name a place elsewhere."
                    )
                there = os.path.lexists(files[side])
            else:
                names[side] = str(output)
                there = engine.kind(names[side]) is not None
            if there:
                raise UsageError(f"{output} exists already and is not replaced: name another.")
        same = [str(a) for a, b in combinations(files.values(), 2) if a.resolve() == b.resolve()]
        same += [a for a, b in combinations(names.values(), 2) if are_same(a, b, engine)]
        if same:
            raise UsageError(f"Two tables would be written to {same[0]}: name one for each.")
        return cls(files, names, engine.dialect)

    def begin(self) -> list[str]:
        """Return no statements."""
        return []

    def store(
        self, side: str, query: str, output: StableTable, keep: Sequence[str] = ()
    ) -> tuple[str, ...]:
        """Return the statement that writes a file or makes a table."""
        if side in self.names:
            return (ddl.create_table(self.names[side], query, self.dialect),)
        return copy(self._partial(side), query, output, self.dialect)

    def place(self, side: str) -> str:
        """Return the path or the name."""
        return self.names.get(side) or str(self.files[side])

    def written(self, side: str, output: StableTable) -> VectorTable:
        """Return the rows as a table to read."""
        return stable_rows(side, output, self.place(side))

    def conflict_check(self, *, first: bool) -> None:
        """Return None: what is there is not replaced."""

    def commit(self, maps: Mapping[str, Matrix], figures: str) -> list[str]:
        """Return no statements: nothing is recorded."""
        return []

    @contextmanager
    def whole(self) -> Iterator[None]:
        """Give the files their names at the end of the context; leave none after an error.

        Raises:
            ConflictError: Another process has made a file of that name meanwhile.
            EngineError: The disk refused.
        """
        placed: list[Path] = []
        try:
            yield
            for side, path in self.files.items():
                if os.path.lexists(path):
                    raise ConflictError(f"{path} has been made meanwhile, and is not replaced.")
                self._partial(side).rename(path)
                placed.append(path)
        except BaseException as error:
            for path in placed:
                path.unlink(missing_ok=True)
            if not isinstance(error, OSError):
                raise
            what = " and ".join(map(str, self.files.values()))
            raise EngineError(f"{what} cannot be written: {error.strerror or error}.") from error
        finally:
            for side in self.files:
                with suppress(OSError):
                    self._partial(side).unlink()

    def _partial(self, side: str) -> Path:
        """Return where a file is written first: a unique name."""
        path = self.files[side]
        return path.with_name(f".{path.name}.{self.token}.partial")
