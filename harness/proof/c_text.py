"""C sources as text, as far as the style of the kernel tells: what is code, and which function is where.

In:  the text of a source.  Out: texts of the same length and lines, places in them.
"""

import re
from typing import Iterable, Iterator

_NO_CODE = re.compile(r"""/\*.*?\*/ | //[^\n]* | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])+'""",
                      re.S | re.X)
# The body of a function in blanked C text: braces in the first column.
_BODY = re.compile(r"(?<!\\\n)^\{(?:.*\}[ \t]*$|(?s:.*?)^\})", re.M)
# What goes from a body of which nothing is needed: all but preprocessor directives, and the lines.
_EMPTIED = re.compile(r"(^[ \t]*#(?:.*\\\n)*.*$)|.", re.M)
_HEAD = re.compile(r"\b(\w+)\s*\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)\s*"
                   r"(?:__\w+(?:\([^()]*\))?\s*)*$")
_MACRO = re.compile(r"^[ \t]*#[ \t]*define[ \t]+(\w+)\([^)]*\)(?:.*\\\n)*.*", re.M)


def blank(text: str) -> str:
    """Without comments, string and character constants: blanks are in their place."""
    return _NO_CODE.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)


def _bodies(plain: str) -> Iterator[re.Match[str]]:
    """Each body; not what is not balanced, as with #ifdef around one of the braces."""
    return (body for body in _BODY.finditer(plain) if body[0].count("{") == body[0].count("}"))


def functions(plain: str) -> Iterator[tuple[str, int, int]]:
    """(name, start, end) of each definition of a function in blanked text, and of each macro with
    arguments. What stands between braces and has no parameters, as a struct, is none."""
    for body in _bodies(plain):
        above = plain.rfind("\n\n", 0, body.start()) + 1
        if head := _HEAD.search(plain[above:body.start()]):
            yield head[1], plain.rfind("\n", 0, above + head.start()) + 1, body.end()
    for macro in _MACRO.finditer(plain):
        yield macro[1], *macro.span()


def statics(plain: str) -> set[str]:
    """Functions and macros that blanked text of a .c file defines for itself alone."""
    return {*re.findall(r"^static\b[^;{}()=]*\b(\w+)\s*\(", plain, re.M),
            *(macro[1] for macro in _MACRO.finditer(plain))}


def calls(text: str, names: Iterable[str]) -> list[tuple[int, str]]:
    """(line, name) of each call of one of the functions."""
    plain = blank(text)
    return [(plain.count("\n", 0, found.start()) + 1, found[1]) for found in
            re.finditer(rf"\b({'|'.join(map(re.escape, names))})\s*\(", plain)]


def has_all(text: str, needed: Iterable[set[str]]) -> bool:
    """Whether a word of each set is in the text."""
    there = set(re.findall(r"\w+", text))
    return all(there & names for names in needed)


def slim(text: str, *needed: set[str]) -> str:
    """The text, but nothing in the bodies of functions that lack a word of one of the sets: there is
    nothing to be found in them, and to parse them takes most of the time."""
    plain, parts, done = blank(text), [], 0
    for body in _bodies(plain):
        start, end = body.span()
        if body[0].count("\n") > 1 and not has_all(text[start:end], needed):
            parts += [text[done:start + 1], _EMPTIED.sub(r"\1", plain[start + 1:end - 1])]
            done = end - 1
    return "".join([*parts, text[done:]])
