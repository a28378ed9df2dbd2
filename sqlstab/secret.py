"""A database's URL, which may hold a password."""

from __future__ import annotations

import re


class SecretUrl:
    """A URL that shows nothing secret of itself.

    `str`, `repr` and a format show `shown`; only `reveal` gives the URL. It is no dataclass, so
    `dataclasses.asdict` leaves it as it is.

    Args:
        url: The URL.
        shown: What to show instead of it; by default the URL without what may be secret.
    """

    __slots__ = ("_shown", "_url")

    def __init__(self, url: str, shown: str | None = None) -> None:
        self._url = url
        self._shown = redacted(url if shown is None else shown)

    def reveal(self) -> str:
        """Return the URL with its secrets."""
        return self._url

    def __str__(self) -> str:
        return self._shown

    def __repr__(self) -> str:
        return f"SecretUrl({self._shown!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SecretUrl) and self._url == other._url

    def __hash__(self) -> int:
        return hash(self._url)


def redacted(url: str) -> str:
    """Return a URL without what may be secret: user, password and query.

    urllib would take the `/`, `?` or `#` of a password for the end of the host, show what follows,
    and fail on `[`. Where it is unclear what belongs to the password, all but the scheme is hidden.
    An environment variable, `${NAME}`, may stand for any part.
    """
    beginning = re.match(r"\$\{\w+\}", url)
    if beginning:
        return beginning[0] + ("***" if url != beginning[0] else "")
    scheme, _, rest = url.partition("://")
    user, at, place = rest.rpartition("@")
    place, question, _ = place.partition("?")
    part = r"(?:[\w.~% -]|\$\{\w+\})*"
    plain = rf"(?:{part}|\[[\w:.%]*\])(?::(?:\d+|\$\{{\w+\}}))?(?:/{part})*"
    if not re.fullmatch(r"[\w+]+", scheme):
        return "***"
    if "?" in user or not re.fullmatch(plain, place):
        return f"{scheme}://***"
    return f"{scheme}://{'***@' if at else ''}{place}{'?***' if question else ''}"
