"""How the SQL text differs from one engine to the next: one frozen record per dialect.

Idioms are patterns with numbered places, as in `CAST({0} AS DOUBLE)`; the templates in `sql/` put
them together and know no engine by name.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, NamedTuple


class NativeVector(NamedTuple):
    """A vector type of an engine's own.

    Attributes:
        name: Its name, in lower case.
        array: Vector {0} as an array; {1} is the schema of the type with a point, if it is said.
        stored: The type of stable vectors of {0} components; empty for a plain array.
        element: The type of a component.
        product: Components {0} to {1} of the array x as a vector; and the dot product of vector {0}
            and numbers {1}, which may be a sum of 4-byte numbers. {2} is the schema.
    """

    name: str
    array: str
    stored: str = ""
    element: Literal["half", "float", "double"] = "float"
    product: tuple[str, str] | None = None


@dataclass(frozen=True, kw_only=True)
class Tables:
    """How an engine finds and stores tables.

    Attributes:
        describe: Lists a relation's columns: a name and a type in the first two columns; {0} is
            the quoted relation, {1} its name as a string, {2} the name without a schema, {3} the
            schema with a point, as strings.
        missing: What errors about a relation that is not there have in them: a code or a name.
        viewless: What errors have in them of a catalogue that takes no views.
        current_schema: One row with the parts, outermost first, of the name of the schema that a
            table with a bare name is made in; empty where there is none to ask for.
        kind: What a name stands for, as `kind`: `table`, or `view` and the like; no row for none.
            {0}, {1} and {2} are the name, its schema and its database as strings, {3} and {4} the
            quoted database and schema with a point behind. Empty where that cannot be asked.
        definition: The query of a view, as `definition`; places as in `kind`. Empty where it is not
            asked for.
        lock: Lets one transaction at a time go on that names the same table, or the first commit;
            places as in `layout`.
        storage: How a new table is stored, where that must be said.
        held: Keeps the rows of query {1} for this session, as {0}.
        begin, commit: Around the statements that write the rows of one run; empty where each
            statement is a transaction of its own.
        store: How the rows of a run take the place of earlier ones with its key, in a new table:
            `delete` and insert; `overwrite` a partition; `replace` what a condition holds for; or
            `exchange` a partition with that of another table.
        partitioned: What ends a new table of stable vectors, in place of `storage`: {0} is the
            quoted column of the key.
        by_day: The same where the key is a date.
        keyed: The same of tables with a few rows for each run.
        unique: Lets one row only have columns {0}, where the engine sees to it.
        index: Makes runs fast to find in a new table {0}, whose column of the key is {1}; {2} is
            the name of the index.
        array: The type of an array of {0}.
        fixed_array: The type of an array of {0} elements of type {1}, where that is another type.
        nullable: A column of type {0} that takes NULL.
        layout: How a table is partitioned: rows with `partitioned`, the expression, and
            `provider`; or Spark's description. Places as in `kind`, {5} is the quoted name alone.
            Empty where rows can be deleted and inserted in any table.
        required: Lists, as `name`, the columns of a table that an INSERT must give; as `kind`.
        overtaken: What errors have in them that another session caused, which came first.
        leftovers: Lists, as `name`, tables for `exchange` whose runs were killed; as `kind`.
    """

    describe: str = "DESCRIBE {0}"
    missing: tuple[str, ...] = ()
    viewless: tuple[str, ...] = ()
    current_schema: str = ""
    kind: str = ""
    definition: str = ""
    lock: str = ""
    storage: str = ""
    held: str = "CREATE TEMPORARY TABLE {0} AS\n{1}"
    begin: str = ""
    commit: str = ""
    store: Literal["delete", "overwrite", "replace", "exchange"] = "delete"
    partitioned: str = ""
    by_day: str = ""
    keyed: str = ""
    unique: str = ""
    index: str = ""
    array: str = "{0}[]"
    fixed_array: str = ""
    nullable: str = "{0}"
    layout: str = ""
    required: str = ""
    overtaken: tuple[str, ...] = ()
    leftovers: str = ""


@dataclass(frozen=True, kw_only=True)
class Solving:
    """How an engine can solve the small problem.

    Attributes:
        slice: Elements {1} to {2} of array {0}.
        no_doubles: An empty array of doubles.
        append: Array {0} and one more element, {1}.
        combined: The sum of {2} times array {0} and {3} times array {1}.
        recursion_key: What lets a recursive query keep the newest row of each {0} only, where there
            is such a thing.
        way: With arrays in a recursive query, all in one statement; by folding arrays of arrays,
            each step a table; or by a function in JavaScript.
        zip_with: As `transform`, for pairs: elements {2} of array {0} and {3} of array {1} make
            {4}.
        reduce: {4} for each element {3} of array {0}, where {2} is what that gave before, at first
            {1}.
        struct, member, field: Several values as one; value {0}, number {1} of them; number {1} of
            struct {0}.
        counting: The numbers from 1 to {0} as an array.
        reverse: Array {0} from its end on.
        position: Where in array {0} {1} stands first.
        now: The time in UTC as a text.
        refuse: A number that cannot be had: an error with the text {0}.
        is_text: Whether {0} is a text; empty where the engine compares texts with numbers, or
            stores neither as the other.
        function: What makes function {0} with the body {1}, from an array of sums and a text of
            settings to an array of records; see `solve` in `sql/solver.js`.
        gathered: Rows `s` of sums as an array of records.
        records: Rows from array {0} of records: what to add to FROM, and the record.
        begin, commit: Around what a script writes, where one request takes several statements and
            `Tables.begin` is empty since a transaction ends with its request.
    """

    way: Literal["recursive", "fold", "javascript"]
    now: str
    refuse: str
    is_text: str = ""
    slice: str = ""
    no_doubles: str = ""
    append: str = ""
    combined: str = ""
    recursion_key: str = ""
    zip_with: str = ""
    reduce: str = ""
    struct: str = ""
    member: str = "{0}"
    field: str = ""
    counting: str = ""
    reverse: str = ""
    position: str = ""
    function: str = ""
    gathered: str = ""
    records: tuple[str, str] = ("", "")
    begin: str = ""
    commit: str = ""


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """What a template must know of an engine.

    Two styles of vectors: an engine with lambdas over arrays multiplies arrays (`arrays`); any
    other gets its vectors as columns of numbers x1, x2, ... (`components`).

    Attributes:
        name: What a user calls it.
        sqlglot: The name that sqlglot knows the dialect by.
        sqlalchemy: The names that SQLAlchemy knows it by, where that reaches the engine.
        driver: What a URL without a driver means where SQLAlchemy's default is not installed.
        style: `arrays` or `components`.
        real, double, integer, bigint, text: Types of a 4-byte and an 8-byte number, of whole
            numbers of 4 and 8 bytes, and of a string of any length.
        as_real, as_double, as_integer, as_text: Casts of a number.
        as_doubles, as_reals: Casts of an array.
        long_text: The type of a string of 65,535 bytes, where `text` holds fewer.
        not_in_names: Characters that no name can have, however it is quoted.
        longest_name: Bytes of a name, where the engine cuts a longer one without an error.
        reads_files: Whether a relation may be a file.
        fold: What becomes of a name without quotes: `lower`, `upper`, or nothing.
        ignores_case: Whether names of tables that differ in case alone are one, in quotes too.
        array: An array of given elements.
        array_of_one: An array of a single element, where that is spelled otherwise.
        element: Element {1} of array {0}, counted from 1; past the end NULL, or an error.
        length: How many elements array {0} has.
        collect: Values {0} of a group as an array in the order of {1}, NULL included; None where
            there is no such thing.
        gather: The same where no value is NULL.
        unnest: Rows from array {0}: what to add to FROM, the element's position from 0 on, and
            the element. {1} is the array's length.
        stored_reals: An array column of 4-byte numbers as an array.
        dense: Array {0}, known to have no NULL, with a type that has none.
        typed_nulls: Whether functions refuse an array that may have NULL in it by its type.
        no_array: What stands for an array that is missing, where none can be NULL.
        has_null, is_finite: Whether array {0} has a NULL in it; whether its elements are finite
            (NULL does not matter).
        is_finite_single: The same of 4-byte numbers, where that is faster.
        dot: Dot product of arrays {0} and {1}, in double.
        times: Dot products of array {0} with each array in array {1}, as an array.
        written_out: Whether `dot` with each column of a matrix, all of them written out, is faster
            than `times`.
        subquery_column: Whether a matrix that a subquery gives must be a column first, since
            functions with a lambda take none, or since its own columns are read from it.
        pin: What to add to FROM for columns {1} of `pinned` that are {0}, computed once for a row.
        json_matrix: A matrix from its JSON text {0}, where that is read faster than arrays.
        scaled: Array {0} divided by number {1}.
        concat: Arrays {0} and {1}, one behind the other.
        distinct: How many different values {0} has in a group, NULL apart.
        transform: Array {0} with each element {1} replaced by {2}.
        largest: The largest element of array {0}.
        quantile: Quantile {1} of {0} in a group, interpolated where the engine can.
        digest: MD5 of a text as 32 lower-case hexadecimal digits.
        divide, remainder: Whole quotient of integers {0} and {1}, and what it leaves.
        fence: What ends a subquery whose columns must be computed once, not at each use.
        native_vectors: The engine's own vector types.
        from_text: Text {0}, such as `[0.1, 0.2]`, as an array of doubles. Of other texts NULL, an
            empty array, or a NULL for what is no number; never a vector.
        from_json: The same of a value of type JSON, where it differs.
        member: Field {1} of struct {0}.
        sparse: A sparse vector of Spark's machine learning as an array, from {size}, {indices} and
            {values}; NULL where the indices are not numbers of its components, each once.
        steps: What to add to FROM for rows {3} from {0} on to {1} in steps of {2}.
        stored_slice: Components {1} to {2} of array {0} as an array, where reading an element of a
            stored one is slow.
        gram: `pairs` has one sum for each pair of components; `blocks` groups by blocks of them;
            `strips` groups by a few rows of the matrix, and sums arrays.
        most_sums: Sums of one statement of pairs; beyond it, several statements with a scan each.
            None where one statement has all.
        sum_of_multiples: Sum of array {1} times number {0} in a group, element by element.
        flattened: An array of arrays as one array.
        tail: Array {0} from element {1} on.
        few_rows: What ends a query that is to work on few rows at a time.
        broadcast: What follows SELECT where relation {0} has few rows: each task gets all of them.
        longest_statement: Bytes of a statement, by the engine's default settings; None: no limit
            that matters.
        longest_by_http: The same over HTTP, where that takes less than a driver.
        most_columns: Columns of a table or a result.
        temporary: Whether there are temporary tables, which go with the session.
        transactions: Whether DDL takes part in transactions.
        before: Settings of a session, as statements that are run first.
        tables: How it finds and stores tables.
        solving: How it can solve the small problem; None where it cannot.
    """

    name: str
    sqlglot: str
    sqlalchemy: tuple[str, ...] = ()
    driver: str = ""
    style: Literal["arrays", "components"]
    real: str
    double: str
    text: str
    long_text: str = ""
    integer: str = "integer"
    bigint: str = "bigint"
    not_in_names: str = ""
    longest_name: int | None = None
    reads_files: bool = False
    fold: Literal["", "lower", "upper"] = ""
    ignores_case: bool = False
    as_real: str = ""
    as_double: str = ""
    as_integer: str = ""
    as_text: str = ""
    as_doubles: str
    as_reals: str
    array: str
    array_of_one: str = ""
    element: str
    length: str
    collect: str | None
    gather: str = ""
    unnest: tuple[str, str, str]
    stored_reals: str = "{0}"
    dense: str = "{0}"
    typed_nulls: bool = False
    no_array: str = ""
    has_null: str = ""
    is_finite: str = ""
    is_finite_single: str = ""
    dot: str = ""
    times: str = ""
    written_out: bool = False
    subquery_column: bool = False
    pin: str = ""
    json_matrix: str = ""
    scaled: str = ""
    concat: str = ""
    distinct: str = "count(DISTINCT {0})"
    transform: str = ""
    largest: str = ""
    quantile: str
    digest: str
    divide: str
    remainder: str = "mod({0}, {1})"
    fence: str = ""
    native_vectors: tuple[NativeVector, ...] = ()
    from_text: str = ""
    from_json: str = ""
    member: str = "{0}.{1}"
    sparse: str = ""
    steps: str = ""
    stored_slice: str = ""
    gram: Literal["pairs", "blocks", "strips"] = "pairs"
    most_sums: int | None = None
    sum_of_multiples: str = ""
    flattened: str = ""
    tail: str = ""
    few_rows: str = ""
    broadcast: str = ""
    longest_statement: int | None
    longest_by_http: int | None = None
    most_columns: int
    transactions: bool
    temporary: bool = False
    before: tuple[str, ...] = ()
    tables: Tables
    solving: Solving | None = None

    def __post_init__(self) -> None:
        if not self.long_text:
            object.__setattr__(self, "long_text", self.text)
        for name in ("real", "double", "integer", "text"):
            if not getattr(self, f"as_{name}"):
                cast = f"CAST({{0}} AS {getattr(self, name)})"
                object.__setattr__(self, f"as_{name}", cast)

    def __str__(self) -> str:
        return self.name

    def of_a_script(self) -> Dialect:
        """Return the dialect of statements that share a session."""
        if self.solving is None or not self.solving.begin:
            return self
        tables = replace(self.tables, begin=self.solving.begin, commit=self.solving.commit)
        return replace(self, tables=tables)

    def number(self, value: float) -> str:
        """Return a literal of type double: exact, and of one width, so that columns line up.

        A bare `0.94` would be a DECIMAL in several engines.
        """
        return f"{value:.16e}"

    def folded(self, name: str) -> str:
        """Return a name as the engine folds it without quotes; names of sqlstab are folded."""
        # Letters outside ASCII stay as they are in Postgres (UTF-8).
        lower = "".join(letter.lower() if letter.isascii() else letter for letter in name)
        return {"": name, "lower": lower, "upper": name.upper()}[self.fold]

    def takes(self, statement: str) -> bool:
        """Return whether the engine takes a statement of this length."""
        return self.longest_statement is None or len(statement.encode()) <= self.longest_statement
