"""Git commands on trees of the harness, independent of the user's git settings."""

from pathlib import Path

from . import proc
from .errors import Exit

# Neither the user's configuration nor the environment of a surrounding git
# command may change what is committed or exported.
NEUTRAL = {
    "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1", "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0", "GIT_ADVICE": "0", "LC_ALL": "C.UTF-8", "TZ": "UTC",
}


def identity(author: str, date: str | None = None) -> dict[str, str]:
    """Environment for a commit by "Name <address>"; date fixed if given."""
    name, _, address = author.rstrip(">").partition(" <")
    values = {"NAME": name, "EMAIL": address} | ({"DATE": date} if date else {})
    return {f"GIT_{role}_{key}": value for key, value in values.items()
            for role in ("AUTHOR", "COMMITTER")}


def git(tree: Path, *args: str | Path, step: str | None = None, env: dict[str, str] | None = None,
        limit: str = "git", check: bool = True, code: Exit = Exit.APPLY,
        stdin: str | None = None) -> proc.Result:
    """Runs git in tree; limit names an entry of limits.toml."""
    command = ["git", "-c", "safe.directory=*", "-c", "core.fsync=none", "-c", "gc.auto=0",
               "-c", "core.hooksPath=/dev/null", "-c", "core.abbrev=12", "-C", tree, *args]
    return proc.run(command, step=step or f"git {args[0]}", limit=limit,
                    env=NEUTRAL | (env or {}), check=check, code=code, stdin=stdin)


def ask(tree: Path, *args: str | Path) -> str:
    return git(tree, *args).output.rstrip("\n")
