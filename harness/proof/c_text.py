"""C sources as text, as far as the style of the kernel tells: what is code, and which function is where.

In:  the text of a source.  Out: texts of the same length, places in them.
"""

import re
from typing import Iterator

_NO_CODE = re.compile(r"""/\*.*?\*/ | //[^\n]* | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])+'""",
                      re.S | re.X)
_BODY = re.compile(r"(?<!\\\n)^\{(?:.*\}[ \t]*$|(?s:.*?)^\})", re.M)    # braces in the first column
_HEAD = re.compile(r"\b(\w+)\s*\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)\s*"
                   r"(?:__\w+(?:\([^()]*\))?\s*)*$")
_MACRO = re.compile(r"^[ \t]*#[ \t]*define[ \t]+(\w+)\([^)]*\)(?:.*\\\n)*.*", re.M)
_STATIC = re.compile(r"^static\b[^;{}()=]*\b(\w+)\s*\(", re.M)


def blank(text: str) -> str:
    """Without comments, string and character constants: blanks are in their place."""
    return _NO_CODE.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)


def functions(plain: str) -> Iterator[tuple[str, int, int]]:
    """(name, start, end) of each definition of a function in blanked text, and of each macro with
    arguments. Not what has no parameters, as a struct, and what is not balanced, as with #ifdef around
    one of the braces."""
    for body in _BODY.finditer(plain):
        above = plain.rfind("\n\n", 0, body.start()) + 1
        head = _HEAD.search(plain[above:body.start()])
        if head and body[0].count("{") == body[0].count("}"):
            yield head[1], plain.rfind("\n", 0, above + head.start()) + 1, body.end()
    for macro in _MACRO.finditer(plain):
        yield macro[1], *macro.span()


def statics(plain: str) -> set[str]:
    """Functions and macros that a .c file defines for itself alone."""
    return {found[1] for pattern in (_STATIC, _MACRO) for found in pattern.finditer(plain)}
