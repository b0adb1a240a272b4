"""CodeWriter: fenced code blocks of a streamed answer become appendix parts while they arrive.

The protocol allows no main text after the first appendix, so what the model says behind a block is an appendix of kind
`note`. Holding code back until the answer ends would keep the order too, but would show nothing for most of the time and
lose the code when the user stops it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..events import Event, chunk

# CommonMark 0.31, section 4.5: up to three spaces, three or more of one mark, an info string.
_OPEN = re.compile(r" {0,3}(`{3,}(?=[^`]*$)|~{3,})[ \t]*([^\s`]*)[^\n]*")
# Blank lines before what is said behind a block.
_BLANK = re.compile(r"(?:[^\S\n]*\n)+")
# What may still become a fence once more text arrives.
_MAYBE = re.compile(r" {0,3}(`{0,2}|~{0,2}|`{3,}[^`\n]*|~{3,}[^\n]*)")


class CodeWriter:
    """Text in any pieces in, the same chunks out: where the pieces are cut does not matter for what is said."""

    def __init__(self) -> None:
        self._held = ""  # the beginning of a line that may be a fence
        self._line_start = True
        self._fence = ""  # the mark that closes the open block
        self._after_code = False
        self._blank = ""  # blank so far, behind a block
        self._begun = False  # whether the current appendix has sent its first chunk
        self._language = ""

    def feed(self, text: str) -> Iterator[Event]:
        text, self._held = self._held + text, ""
        out: list[str] = []
        for line in _lines(text):
            ended = line.endswith("\n")
            if self._line_start and self._is_fence_line(line, ended):
                if not ended:
                    self._held = line
                    break
                yield from self._say("".join(out))
                out = []
                self._turn(line)
            else:
                out.append(line)
                self._line_start = ended
        yield from self._say("".join(out))

    def flush(self) -> Iterator[Event]:
        held, self._held = self._held, ""
        if held and self._is_fence_line(held, ended=True):
            self._turn(held)
        else:
            yield from self._say(held)

    def _is_fence_line(self, line: str, ended: bool) -> bool:
        """Whether a line is a fence; of an unfinished one, whether it may still become one."""
        if ended:
            return self._closes(line) if self._fence else _OPEN.fullmatch(line.rstrip("\r\n")) is not None
        return _MAYBE.fullmatch(line) is not None

    def _closes(self, line: str) -> bool:
        indent, mark = len(line) - len(line.lstrip(" ")), line.lstrip(" ").rstrip()
        return indent <= 3 and len(mark) >= len(self._fence) and not mark.strip(self._fence[0])

    def _turn(self, line: str) -> None:
        """Enters or leaves a block."""
        self._blank = ""
        if self._fence:
            self._fence, self._after_code, self._begun = "", True, False
        else:
            found = _OPEN.fullmatch(line.rstrip("\r\n"))
            self._fence, self._language = (found[1], found[2]) if found else ("", "")
            self._begun = False

    def _say(self, text: str) -> Iterator[Event]:
        if not text:
            return
        if self._fence:
            first = {} if self._begun else {"kind": "code", "language": self._language or None}
            self._begun = True
            yield chunk(text, part="appendix", **first)
        elif self._after_code:
            yield from self._note(text)
        else:
            yield chunk(text)

    def _note(self, text: str) -> Iterator[Event]:
        """What stands behind a block, from its first line that is not blank."""
        if self._begun:
            yield chunk(text, part="appendix")
            return
        text, self._blank = self._blank + text, ""
        if text.isspace():
            self._blank = text
            return
        self._begun = True
        found = _BLANK.match(text)
        yield chunk(text[found.end() :] if found else text, part="appendix", kind="note")


def _lines(text: str) -> Iterator[str]:
    """Lines with their LF; splitlines() would also cut at CR, form feeds and U+2028, where no fence can begin."""
    start = 0
    while (end := text.find("\n", start) + 1) > 0:
        yield text[start:end]
        start = end
    if start < len(text):
        yield text[start:]
