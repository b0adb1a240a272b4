"""The compiled window and what belongs to its page, as assistant/static/ holds them.

A file's name has a hash of its bytes in it, so it never changes: browsers may keep it for ever, and a page that names it
can say which bytes it must be. The manifest tells which file a plain name stands for.
"""

from __future__ import annotations

import json
import mimetypes
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from flask import Response, request

from ..errors import NotFound

STATIC = Path(__file__).parents[1] / "static"

# A year, the longest that has a meaning (RFC 9111, section 1.2.2); the name changes with the bytes.
_FOR_EVER = "public, max-age=31536000, immutable"
_TEXT = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class Asset:
    """One file; `integrity` is its digest as HTML wants it (SRI)."""

    file: str
    integrity: str
    content: bytes
    gzipped: bytes

    @property
    def mimetype(self) -> str:
        suffix = Path(self.file).suffix
        return _TEXT.get(suffix) or mimetypes.guess_type(self.file)[0] or "application/octet-stream"


@cache
def assets() -> dict[str, Asset]:
    """Every file by its plain name, such as `assistant-chat.js`. They are read once and stay: a few hundred kB."""
    manifest = json.loads((STATIC / "manifest.json").read_text("utf-8"))
    return {
        name: Asset(
            told["file"],
            told["integrity"],
            (STATIC / told["file"]).read_bytes(),
            (STATIC / f"{told['file']}.gz").read_bytes(),
        )
        for name, told in manifest["files"].items()
    }


@cache
def _by_file() -> dict[str, Asset]:
    return {one.file: one for one in assets().values()}


def asset(name: str) -> Response:
    """GET /static/<name>: a compiled file, gzipped where that is accepted; the browser need never ask again."""
    found = _by_file().get(name)
    if found is None:
        raise NotFound("There is no such file.")
    zipped = request.accept_encodings["gzip"] > 0
    response = Response(found.gzipped if zipped else found.content, mimetype=found.mimetype)
    if zipped:
        response.headers["Content-Encoding"] = "gzip"
    response.headers["Cache-Control"] = _FOR_EVER
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.vary.add("Accept-Encoding")
    response.set_etag(f"{name}{'-gzip' if zipped else ''}")
    response.make_conditional(request)
    return response
