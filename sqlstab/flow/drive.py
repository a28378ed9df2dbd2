"""What becomes of the statements of a flow: they are run, or listed, or printed."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from sqlstab.statements.statement import nothing

if TYPE_CHECKING:
    from sqlstab.engines.base import Engine
    from sqlstab.progress import Log
    from sqlstab.statements.statement import Flow, Statement

T = TypeVar("T")


def execute(flow: Flow[T], engine: Engine, log: Log) -> T:
    """Run the statements of a flow on an engine, and send it their results.

    What fails is raised inside the flow, which may know what to do about it.
    """
    result: Any = None
    error: BaseException | None = None
    try:
        while True:
            statement = flow.throw(error) if error else flow.send(result)
            result = error = None
            try:
                result = _run(statement, engine, log)
            except BaseException as raised:
                # What was begun is over; the flow decides what else to do.
                engine.rollback()
                error = raised
    except StopIteration as finished:
        value: T = finished.value
        return value
    except BaseException:
        engine.rollback()
        raise


def _run(statement: Statement[T], engine: Engine, log: Log) -> T:
    with log.step(statement.step, statement.title or statement.step.capitalize()) as step:
        if statement.fold:
            return engine.fold(statement.fold, step)
        if statement.call:
            engine.call(statement.call, step)
            return statement.read([])
        if statement.read is nothing:
            for text in statement.texts:
                engine.execute(text, step)
            return statement.read([])
        return statement.read([row for text in statement.texts for row in engine.query(text, step)])


def explain(flow: Flow[T]) -> list[Statement[Any]]:
    """List the statements of a flow that is sent what stands in for their results."""
    found: list[Statement[Any]] = []
    result: Any = None
    with suppress(StopIteration):
        while True:
            statement = flow.send(result)
            found.append(statement)
            result = statement.stand_in
    return found


def printed(statements: list[Statement[Any]]) -> str:
    """Return the text of statements, each step under its name."""
    parts = []
    for number, statement in enumerate(statements, start=1):
        title = f"-- {number:02d} {statement.step} "
        parts.append(f"{title}{'-' * max(2, 100 - len(title))}\n")
        parts += [f"{text.strip()};\n" for text in statement.texts]
    return "\n".join(parts)
