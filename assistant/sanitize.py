"""What is removed from prompts, and what is refused in prompts and context.

Cleaning takes away what a person cannot see but a model reads. It does not stop a prompt from saying something
harmful in plain words.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Any

import orjson

from .errors import InvalidRequest

# Bounds of `context` (protocol, POST /assistant/request): bytes of its JSON, nesting, keys in all.
CONTEXT_BYTES = 256 * 1024
CONTEXT_DEPTH = 16
CONTEXT_KEYS = 2_000

# Subdivision flags (UTS #51, ED-14a) are the one good use of tag characters: a black flag, tags, a cancel tag.
_FLAG = r"\U0001F3F4[\U000E0030-\U000E0039\U000E0061-\U000E007A]{1,6}\U000E007F"
_HIDDEN = (
    r"[\x01-\x08\x0b-\x1f\x7f-\x9f"  # C0 and C1 but tab and newline
    r"\u202a-\u202e\u2066-\u2069"  # bidi embeddings, overrides, isolates; LRM and RLM stay
    r"\u2060-\u2064\u206a-\u206f"  # invisible operators and deprecated format characters; ZWJ and ZWNJ stay
    r"\ufeff\U000E0000-\U000E007F"  # byte order mark, tag characters
    r"\ufdd0-\ufdef" + "".join(f"\\U{plane:04X}FFFE\\U{plane:04X}FFFF" for plane in range(17)) + "]"
)
_SWEEP = re.compile(f"({_FLAG})|{_HIDDEN}")
_REFUSED = re.compile(r"[\x00\ud800-\udfff]")


def clean_prompt(text: str) -> tuple[str, int]:
    """The prompt in NFC with LF line ends and nothing hidden, and how many characters were removed.

    Raises InvalidRequest for NUL and lone surrogates. Cleaning twice changes nothing more.
    """
    refuse_unencodable(text, "prompt")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    swept = _SWEEP.sub(lambda match: match[1] or "", text)
    return unicodedata.normalize("NFC", swept), len(text) - len(swept)


def refuse_unencodable(text: str, *loc: str | int) -> None:
    """Raises InvalidRequest when `text` holds NUL or a lone surrogate."""
    if _REFUSED.search(text):
        raise invalid(loc, "NUL and lone surrogates are not text", "unencodable")


def check_context(context: dict[str, Any]) -> None:
    """Raises InvalidRequest for a context that is too large, too deep, has too many keys or is not clean text.

    It is never rewritten: it is the user's document.
    """
    _check_shape(context)  # first: what it lets through always encodes, but for numbers that JSON readers cannot hold
    try:
        size = len(orjson.dumps(context))
    except TypeError:
        raise invalid(("context",), "a value has no JSON form", "unencodable") from None
    if size > CONTEXT_BYTES:
        raise invalid(("context",), f"at most {CONTEXT_BYTES} bytes of JSON", "too_large")


def _check_shape(context: dict[str, Any]) -> None:
    """Walks level by level, so that no nesting can exhaust the stack."""
    keys = 0
    level: list[Any] = [context]
    for depth in range(1, CONTEXT_DEPTH + 2):
        if not level:
            return
        if depth > CONTEXT_DEPTH:
            raise invalid(("context",), f"nested deeper than {CONTEXT_DEPTH}", "too_deep")
        below: list[Any] = []
        for node in level:
            if isinstance(node, dict):
                keys += len(node)
                below += [*node.keys(), *node.values()]
            else:
                below += node
        if keys > CONTEXT_KEYS:
            raise invalid(("context",), f"more than {CONTEXT_KEYS} keys", "too_many_keys")
        for leaf in below:
            if isinstance(leaf, str):
                refuse_unencodable(leaf, "context")
        level = [node for node in below if isinstance(node, (dict, list))]


def invalid(loc: tuple[str | int, ...], msg: str, kind: str) -> InvalidRequest:
    """The 400 for one place of the body, in the same shape as pydantic's own findings."""
    return InvalidRequest(errors=[{"loc": list(loc), "msg": msg, "type": kind}])
