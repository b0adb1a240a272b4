"""Writes the pages that follow from the code, and instance/config.example.py.

python docs/generate.py          writes what is stale
python docs/generate.py --check  says what is stale, and exits 1
"""

from __future__ import annotations

import json
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from gevent import monkey  # noqa: E402

monkey.patch_all()  # as in wsgi.py: some pages are read off the whole package

from assistant.config import PREFIX, Settings  # noqa: E402
from assistant.errors import CODES  # noqa: E402
from assistant.observability.metrics import FAMILIES  # noqa: E402
from docs.tools import commands, http, python  # noqa: E402

NOTE = "<!-- Written by docs/generate.py from the code; change it there. -->"

# What a page may offer the user for each kind of failure (protocol, Events).
OFFER = {
    "invalid": "edit and send again",
    "auth": "sign in",
    "gone": "send again",
    "limited": "wait; count `retry_after` down",
    "unavailable": "retry",
    "interrupted": "retry; the partial answer is kept",
    "failed": "retry, and report the request id",
}


def errors() -> str:
    """docs/reference/errors.md"""
    lines = [
        "# Errors",
        "",
        NOTE,
        "",
        "One table serves HTTP problems (`application/problem+json`) and the `error` event that ends a stream. `status` is",
        "the HTTP status of a problem; `retryable` says that a new POST may succeed; `kind` says what to offer the user. An",
        "unknown code falls back to its kind, else to its HTTP status.",
    ]
    for kind in dict.fromkeys(error.kind for error in CODES.values()):
        group = [error for error in CODES.values() if error.kind == kind]
        lines += ["", f"## {kind}", "", f"Offer the user: {OFFER[kind]}.", ""]
        lines += ["| code | status | retryable | message |", "|---|---|---|---|"]
        lines += [f"| `{e.code}` | {e.status} | {'yes' if e.retryable else 'no'} | {e.message} |" for e in group]
    return "\n".join(lines) + "\n"


def routes() -> str:
    """docs/reference/routes.md"""
    return http.page(json.loads((ROOT / "docs/reference/openapi.json").read_text("utf-8")), NOTE)


def settings() -> str:
    """docs/reference/settings.md"""
    lines = [
        "# Settings",
        "",
        NOTE,
        "",
        "Durations are seconds, sizes bytes. Looked for in the environment first, then in the Flask config (which the",
        "stand-alone server fills from `instance/config.py`), then the default. Lists are comma-separated in the environment.",
        "The `JWT_*` settings of flask-jwt-extended and the `RATELIMIT_*` ones of flask-limiter work under their own names.",
        "",
        "| setting | default | meaning |",
        "|---|---|---|",
    ]
    for name, default, doc in known():
        shown = f"`{plain}`" if (plain := _plain(default)) else "none"
        lines.append(f"| `{name}` | {shown} | {doc} |")
    return "\n".join(lines) + "\n"


def metrics() -> str:
    """docs/reference/metrics.md"""
    lines = [
        "# Metrics",
        "",
        NOTE,
        "",
        "`GET /metrics` answers in Prometheus' text format: at the root in the stand-alone server, under the prefix as an",
        "extension. It needs the package `prometheus-client` (`pip install 'assistant-server[metrics]'`); without it the route",
        "is a 404 that says so. `ASSISTANT_METRICS_TOKEN` is the bearer token that it then asks for.",
        "",
        "One worker counts in memory. Several count in files of the folder `PROMETHEUS_MULTIPROC_DIR`, which",
        "`assistant.gunicorn` makes and removes where you set none, and every scrape says the sum of all workers, whichever of",
        "them answers. What a worker has counted stays when it ends; what it held (gauges) does not.",
        "",
        "No label holds what a client chose, so the number of series has a bound: 200, and one for each error code that has",
        "been seen (in `errors`, `rejected`, `upstream_requests`). Each mode of your own adds about 30.",
        "",
        "| metric | kind | labels | what |",
        "|---|---|---|---|",
    ]
    for name, family in FAMILIES.items():
        labels = ", ".join(f"`{label}`" for label in family.labels)
        lines.append(f"| `assistant_{name}` | {family.kind.lower()} | {labels} | {family.help} |")
    lines += [
        "",
        "`outcome` of a request is `completed`, `cancelled` or `failed`; that of a call to the model `ok`, `stopped`, `error` or",
        "an error code. `chunk_interval` is observed once a request, with the mean of its chunks. The metrics of the store,",
        "takeovers and fenced writes have values where several workers share a registry.",
    ]
    return "\n".join(lines) + "\n"


def config() -> str:
    """instance/config.example.py"""
    lines = [
        '"""Settings of the stand-alone server: copy this file to instance/config.py and uncomment what you change.',
        "",
        "The environment goes before this file. Every line below shows the default. Durations are seconds, sizes bytes.",
        "docs/generate.py writes this file from assistant/config.py.",
        '"""',
        "# ruff: noqa: ERA001",
    ]
    for name, default, doc in known():
        lines += ["", f"# {doc[0].upper()}{doc[1:]}.", f"# {name} = {_literal(default)}"]
    lines += [
        "",
        "# --- flask-jwt-extended: who may call ---",
        "# The secret for HS256, at least 32 bytes; without one, a secret of this host is made in instance/secret.",
        '# JWT_SECRET_KEY = ""',
        "",
        '# Or public-key tokens: JWT_ALGORITHM = "RS256" and the issuer\'s key in PEM.',
        '# JWT_PUBLIC_KEY = ""',
    ]
    return "\n".join(lines) + "\n"


def known() -> list[tuple[str, Any, str]]:
    """Each setting with its default and its meaning."""
    default = Settings()
    return [(PREFIX + s.name.upper(), getattr(default, s.name), s.metadata["doc"]) for s in fields(Settings)]


def _plain(value: Any) -> str:
    """As one types it in the environment."""
    if isinstance(value, dict):
        return ",".join(f"{key}={one}" for key, one in value.items())
    if isinstance(value, tuple):
        return ",".join(value)
    if isinstance(value, bool):
        return str(int(value))
    return f"{value:.15g}" if isinstance(value, float) else str(value)


def _literal(value: Any) -> str:
    return repr(value).replace("'", '"')


PAGES = {
    "docs/reference/errors.md": errors,
    "docs/reference/metrics.md": metrics,
    "docs/reference/routes.md": routes,
    "docs/reference/settings.md": settings,
    "docs/reference/python.md": lambda: python.page(NOTE),
    "docs/reference/command-line.md": lambda: commands.page(NOTE),
    "instance/config.example.py": config,
}


def stale() -> list[str]:
    """The pages that are not what the code says."""
    return [page for page, text in PAGES.items() if not _same(ROOT / page, text())]


def _same(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text("utf-8") == text


def main() -> int:
    pages = stale()
    if "--check" in sys.argv:
        print("\n".join(f"stale: {page}; run python docs/generate.py" for page in pages), end="\n" if pages else "")
        return bool(pages)
    for page in pages:
        (ROOT / page).write_text(PAGES[page](), "utf-8")
        print(f"wrote {page}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
