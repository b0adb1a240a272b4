"""Reader: a request that has come whole and in its plainest form, taken apart at once.

gunicorn reads a request line by line, with looks at its settings in between, and makes its environ anew: a tenth of a
millisecond in Python, whatever the app then does. Nearly all requests need none of that care. So one expression says
whether a head is plain, and a plain one becomes an environ in one pass; all else is left to gunicorn, which has not seen a
byte less for it (`worker.py`).

What must stay true: a request that is read here is one that gunicorn takes, and it becomes the same environ, but for the
stream of its body, which is here already. Whoever doubts leaves it to gunicorn: a field that comes twice, anything about
transfer codings or an upgrade, a head that is long, a body that is not all there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any, ClassVar, NamedTuple
from urllib.parse import unquote_to_bytes

# Where a worker leaves in the environ what goes on with a connection when its stream has ended; it is given the socket.
RESUME = "assistant.resume"

# The characters of a target are the printable ones of ASCII (RFC 9112, section 3.2), and this one has neither a fragment
# nor an empty first part; those of a name are a token's (RFC 9110, section 5.6.2) without the underscore, which an environ
# cannot tell from a hyphen.
_HEAD = re.compile(
    rb"(GET|POST|DELETE|HEAD|OPTIONS|PUT|PATCH) (/(?!/)[!\"$-~]*) HTTP/1\.1\r\n"
    rb"((?:[!#$%&'*+.^`|~0-9A-Za-z-]+:[\t -~\x80-\xff]*\r\n)+)\r\n"
)
_FIELD = re.compile(r"([^:]+):([^\r]*)\r\n")
_LENGTH = re.compile("[0-9]{1,7}")
# What says how a message is framed or who speaks from here on.
_NOT_PLAIN = frozenset({"TRANSFER-ENCODING", "EXPECT", "UPGRADE"})
# How many names of fields are remembered, as they are spelled; clients send what they like.
_REMEMBERED = 256


class Limits(NamedTuple):
    """How much of a request is plain: bytes of its head, fields in it, and bytes of head and body together."""

    head: int
    fields: int
    size: int


class Incomplete(Exception):
    """A plain request whose body is not all there yet."""


@dataclass(slots=True, eq=False)
class Request:
    """What gunicorn asks of a request when it answers one. The environ is apart from it: it leads back to the answer."""

    version: ClassVar = (1, 1)
    headers: ClassVar = ()

    method: str
    uri: str
    query: str
    body: BytesIO
    size: int  # of head and body, bytes
    must_close: bool

    def should_close(self) -> bool:
        return self.must_close


class Reader:
    """Reads the plain requests of a worker.

    `schemes` are the fields by which a trusted proxy says that its client spoke TLS, each with the value that says so
    (gunicorn's `secure_scheme_headers`)."""

    def __init__(self, limits: Limits, schemes: Mapping[str, str]) -> None:
        self._limits = limits
        self._schemes = {_variable(name): value for name, value in schemes.items()}
        # each name as it was spelled, by its key in the environ; "" is not plain
        self._keys: dict[str, str] = {}

    def read(
        self, data: bytes, connection: Mapping[str, Any], trusted: Callable[[], bool]
    ) -> tuple[Request, dict[str, Any]] | None:
        """The request that `data` begins with, and its environ; None when that is not plain. Raises Incomplete.

        `connection` is what the environ has of the connection, and `trusted` says whether its client is a proxy whose word
        counts."""
        head = _HEAD.match(data, 0, self._limits.head)
        if head is None:
            return None
        environ = dict(connection)
        if not self._take(_FIELD.findall(head[3].decode("latin-1")), environ):
            return None
        start = head.end()
        size = start + int(environ.get("CONTENT_LENGTH", "0"))
        if size > self._limits.size:
            return None
        closes = environ.get("HTTP_CONNECTION", "keep-alive").lower()
        if closes not in ("keep-alive", "close"):
            return None
        said = [key for key in self._schemes if key in environ]
        if said and trusted():
            if len(said) > 1:
                return None
            environ["wsgi.url_scheme"] = "https" if environ[said[0]] == self._schemes[said[0]] else "http"
        if size > len(data):
            raise Incomplete
        method, target = head[1].decode("ascii"), head[2].decode("ascii")
        path, _, query = target.partition("?")
        body = BytesIO(data[start:size])
        environ["REQUEST_METHOD"], environ["RAW_URI"], environ["QUERY_STRING"] = method, target, query
        environ["PATH_INFO"] = unquote_to_bytes(path).decode("latin-1") if "%" in path else path
        environ["wsgi.input"] = body
        return Request(method, target, query, body, size, closes == "close"), environ

    def _take(self, fields: Iterable[tuple[str, str]], environ: dict[str, Any]) -> bool:
        """Puts the fields into the environ; False when one of them is not plain."""
        keys = self._keys
        before = len(environ)
        for name, value in fields:
            key = keys.get(name)
            if key is None:
                key = self._key(name)
            if not key or key in environ:
                return False
            environ[key] = value.strip(" \t")
        return (
            len(environ) - before <= self._limits.fields
            and "HTTP_HOST" in environ
            and _LENGTH.fullmatch(environ.get("CONTENT_LENGTH", "0")) is not None
        )

    def _key(self, name: str) -> str:
        upper = name.upper()
        key = "" if upper in _NOT_PLAIN else _variable(upper)
        if len(self._keys) < _REMEMBERED:
            self._keys[name] = key
        return key


def _variable(name: str) -> str:
    """The key of a field in an environ (RFC 3875, section 4.1)."""
    key = name.upper().replace("-", "_")
    return key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else "HTTP_" + key
