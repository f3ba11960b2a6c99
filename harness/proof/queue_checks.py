"""Checks of the patch queue, before anything is booted.

In:  the queue, the kernel tree.  Out: Parts; with quick, only of what compiles nothing.
"""

import re
import sys
import tempfile
import time
from collections import Counter
from dataclasses import astuple, dataclass
from functools import partial
from pathlib import Path
from typing import Iterable

from ..core import Exit, HarnessError, Part, Progress, Queue, proc, records, settings
from ..core.git import git
from ..fetch import Options, apt, host_packages
from ..queue import TreeInfo, export, releases, series, siblings, tree
from ..build import kconfig, single_objects
from ..judge import splats
from . import edits, litmus, mutants


@dataclass(frozen=True)
class Result:
    """What one check found; detail is one line, or one per complaint."""

    code: Exit
    detail: str
    skipped: bool = False


@dataclass
class Context:
    opts: Options
    progress: Progress
    tree: TreeInfo | None = None       # before the checks that need none

    @property
    def ready(self) -> TreeInfo:
        assert self.tree
        return self.tree


def skipped(why: str) -> Result:
    return Result(Exit.OK, why, skipped=True)


def verdict(complaints: list[str], detail: str, code: Exit = Exit.TEST) -> Result:
    """Passes with detail if there are no complaints."""
    return Result(code, "\n".join(complaints)) if complaints else Result(Exit.OK, detail)


# --- without a tree


def files_agree(folder: Path) -> list[str]:
    """Complaints about series against the files of the folder."""
    listed = series.names(folder)
    there = sorted(path.name for path in folder.glob("*.patch") if path.name != series.COVER)
    complaints = [f"series names {name}, which is not there" for name in listed if name not in there]
    complaints += [f"{name} is not in series" for name in there if name not in listed]
    complaints += [f"series names {name} {count} times" for name, count in
                   Counter(listed).items() if count > 1]
    numbers = [name[:4] for name in listed]
    if numbers != [f"{number:04d}" for number in range(1, len(listed) + 1)]:
        complaints.append("the patches are not numbered from 0001 in the order of series; "
                          "use ./run export")
    if not listed:
        complaints.append("series is empty")
    return complaints


def cover_agrees(folder: Path) -> list[str]:
    """Complaints about the cover letter."""
    path = folder / series.COVER
    if not path.is_file():
        return [f"{series.COVER} is missing"]
    text = path.read_text("utf-8")
    count = len(series.names(folder))
    complaints = []
    number = re.search(r"^Subject: \[[^]]* 0+/(\d+)\]", text, re.M)
    if not number or int(number[1]) != count:
        complaints.append(f"the cover letter's subject does not say that there are {count} patches; "
                          "use ./run export")
    if "***" in text:
        complaints.append("the cover letter still has a place-holder (***)")
    if not export.exported_on(folder):
        complaints.append(f"the cover letter has no line {export.BASE_LINE!r}; use ./run export")
    return complaints


def check_files(context: Context) -> Result:
    folder = context.opts.queue.dir
    return verdict(files_agree(folder) + cover_agrees(folder),
                   f"{len(series.names(folder))} patches and the cover letter")


# --- with a tree


def check_am(context: Context) -> Result:
    """The tree was made with git am, or is so again here: nothing may depend on its state."""
    info = context.ready
    applied = series.apply(info.queue, info.path, info.base_commit, series.patches(info.queue))
    if applied != info.tip_commit:
        return Result(Exit.APPLY, f"git am leads to {applied[:12]}, but the tree is at "
                      f"{info.tip_commit[:12]}; use ./run tree")
    return Result(Exit.OK, f"on Linux {info.kernel_version} ({info.source})")


def without_positions(mail: bytes) -> bytes:
    """A patch without blob ids and line numbers, which differ between 6.12.y releases."""
    return re.sub(rb"^(index [0-9a-f]+\.\.[0-9a-f]+|@@ [-+0-9, ]+ @@)", b"", mail, flags=re.M)


def check_round_trip(context: Context) -> Result:
    """Exporting the tree gives the files of the queue again."""
    info, folder = context.ready, context.opts.queue.dir
    rendered = export.render(info)
    there = {name: (folder / name).read_bytes() for name in series.names(folder)}
    exact = export.exported_on(folder) == info.kernel_version
    same = (lambda mail: mail) if exact else without_positions
    complaints = [f"{name} would be new" for name in rendered if name not in there]
    complaints += [f"{name} would go away" for name in there if name not in rendered]
    complaints += [f"{name} would change" for name in rendered if name in there
                   and same(rendered[name]) != same(there[name])]
    letter = folder / series.COVER
    if exact and letter.is_file():
        old = letter.read_text("utf-8")
        if export.cover(old, info) != old:
            complaints.append(f"the end of {letter.name} is out of date")
    if complaints:
        complaints.append("use ./run tree, then ./run export")
    how = "the same bytes" if exact else \
        f"the same but for line numbers (exported on {export.exported_on(folder) or 'unknown'})"
    return verdict(complaints, how)


def check_siblings(context: Context) -> Result:
    """Patches that another queue has, too, are the same, or their difference has a reason."""
    complaints, listed = siblings.complaints(context.opts.queue)
    if listed is None:
        return skipped("not compared with another queue")
    return verdict(complaints, f"{len(listed.same)} patches as in {listed.other}, "
                   f"{len(listed.adapted)} adapted, {len(listed.only)} only here")


def check_shared(context: Context) -> Result:
    """The tip has the files of shared/, byte for byte."""
    info, files = context.ready, siblings.shared_files()
    if not files:
        return skipped("there are none")

    def show(path: str) -> bytes | None:
        file = info.path / path     # the tree is clean, and at its tip
        return file.read_bytes() if file.is_file() else None

    return verdict(siblings.not_shared(files, show),
                   f"{len(files)} file{'s' * (len(files) > 1)}, byte for byte")


@dataclass(frozen=True)
class Option:
    name: str
    reason: str


@dataclass(frozen=True)
class Message:
    type: str
    patch: str
    reason: str


@dataclass(frozen=True)
class Exceptions:
    """checkpatch.toml."""

    option: tuple[Option, ...] = ()
    message: tuple[Message, ...] = ()


def exceptions(queue: Queue) -> Exceptions:
    """What checkpatch may say; each entry must say for what it is, and why."""
    path = settings.DATA / "checkpatch.toml"
    found = records.make(Exceptions, queue.data(path), str(path))
    for item in (*found.option, *found.message):
        if not all(astuple(item)):
            raise HarnessError(Exit.USAGE, f"{path}: something is empty in {item}.")
    return found


def judge_checkpatch(output: str, allowed: Iterable[Message]) -> tuple[list[str], int]:
    """Complaints in checkpatch's terse output, and how many were allowed."""
    complaints, spared = [], 0
    for line in output.splitlines():
        match = re.match(r"(?P<patch>.*?):\d+: (ERROR|WARNING|CHECK):(?P<type>\w+): ", line)
        if not match:
            continue
        if any(item.type == match["type"] and item.patch in match["patch"] for item in allowed):
            spared += 1
        else:
            complaints.append(line)
    return complaints, spared


def check_checkpatch(context: Context) -> Result:
    queue = context.opts.queue
    files = series.patches(queue)
    host_packages.need("perl")
    allowed = exceptions(queue)
    result = proc.run(["perl", "scripts/checkpatch.pl", "--strict", "--terse", "--show-types",
                       "--color=never", *(item.name for item in allowed.option), *files],
                      step="checkpatch", limit=settings.limit("checkpatch"),
                      cwd=context.ready.path, check=False)
    complaints, spared = judge_checkpatch(result.output, allowed.message)
    # It ends with 0 for nothing to say and 1 for complaints. Anything else means that
    # it did not work, which must not look like a clean series.
    if result.returncode != (1 if complaints or spared else 0):
        return Result(Exit.TEST, f"checkpatch ended with {result.returncode}\n"
                      + proc.tail(result.output))
    complaints = [line.removeprefix(f"{context.opts.queue.dir}/") for line in complaints]
    return verdict(complaints, f"nothing to say on {len(files)} patches"
                   + (f", but for {spared} reminders listed in checkpatch.toml" if spared else ""))


def without_lines(output: str) -> Counter[str]:
    """kernel-doc's warnings without line numbers."""
    return Counter(re.sub(r":\d+(?=[: ])", ":", line) for line in output.splitlines()
                   if re.search(r"(warning|error):", line, re.I))


def new_messages(now: Counter[str], before: Counter[str]) -> list[str]:
    """Messages that are not in the base."""
    return list(now - before)


def check_kernel_doc(context: Context) -> Result:
    """Touched sources: no kernel-doc warning that the base lacks; documents are in an index."""
    info = context.ready
    host_packages.need("perl")
    touched = series.touched(series.patches(info.queue))
    sources = [path for path in touched if path.endswith((".c", ".h"))]
    found = []
    for commit in (info.base_commit, info.tip_commit):
        with tempfile.TemporaryDirectory() as folder:
            there = [path for path in sources if _extract(info.path, commit, path, Path(folder))]
            output = proc.run(["perl", info.path / "scripts/kernel-doc", "-none", "-Wall", *there],
                              step="kernel-doc", limit=settings.limit("checkpatch"),
                              cwd=Path(folder), check=False).output if there else ""
            found.append(without_lines(output))
    complaints = new_messages(found[1], found[0])
    for path in touched:
        name = Path(path)
        index = info.path / name.parent / "index.rst"
        if name.suffix == ".rst" and name.stem != "index" and (info.path / path).is_file():
            if not (index.is_file() and re.search(rf"^\s+{re.escape(name.stem)}(\.rst)?$",
                                                  index.read_text("utf-8"), re.M)):
                complaints.append(f"{path} is not in its folder's index.rst")
            for source in re.findall(r"^\.\. kernel-doc:: (\S+)",
                                     (info.path / path).read_text("utf-8"), re.M):
                if not (info.path / source).is_file():
                    complaints.append(f"{path} pulls in {source}, which does not exist")
    return verdict(complaints, f"nothing new in {len(sources)} sources")


def check_litmus(context: Context) -> Result:
    """The series has what the litmus tests model."""
    return verdict(litmus.names_agree(context.ready),
                   f"{len(litmus.tests(litmus.files(context.opts.queue)))} tests; the series has "
                   "what they model")


def check_splats(context: Context) -> Result:
    """The kernel's own scripts know no report that the splat patterns do not."""
    return verdict(splats.badness(context.ready.path, context.opts.queue),
                   f"all of {Path(splats.SCRIPT).name}'s, but for those listed with a reason")


def _extract(repo: Path, commit: str, path: str, folder: Path) -> bool:
    """Writes one file of a commit below folder; False if the commit lacks it."""
    shown = git(repo, "show", f"{commit}:{path}", check=False)
    if shown.returncode:
        return False
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_text(shown.output, encoding="utf-8")
    return True


def check_mutants(context: Context) -> Result:
    """Each mutant's edits fit the tip, and the table lists just the mutants that there are."""
    complaints = []
    listed = mutants.load(context.opts.queue).mutants
    for mutant in listed:
        try:
            edits.made(mutant.edits, context.ready.path)
        except HarnessError as error:
            complaints.append(f"{mutant.name}: {error.message}")
    return verdict(complaints, f"the edits of {len(listed)} mutants fit", Exit.APPLY)


def check_upstream(context: Context) -> Result:
    """The series on an unpatched upstream release: only the touched files are unpacked."""
    queue = context.opts.queue
    try:
        tarball = apt.upstream_tarball(queue.package, queue.suites, queue.version)
    except HarnessError as error:
        return skipped(f"not to be had: {error.message.splitlines()[0]}")
    if tarball is None:
        return skipped("no suite offers the unpatched tarball")
    files = series.patches(queue)
    with releases.part_of_release(tarball.path, queue, files) as found:
        series.apply(queue, found.path, found.base, files, found.work)
        return Result(Exit.OK, f"on Linux {found.version} ({tarball.path.name})")


def check_releases(context: Context) -> Result:
    """What releases.toml says is of the series as it is."""
    queue = context.opts.queue
    listed = releases.load(queue)
    if listed.series != releases.digest(queue):
        return skipped("of another state of the series, or not there; ./run check --releases makes it")
    good = sum(item.result == releases.APPLIES for item in listed.release)
    return Result(Exit.OK, f"git am took the series on {good} of {len(listed.release)} releases")


# --- compiling


def _compiled_anew(config: single_objects.Config, src: Path, objects: list[str],
                   context: Context) -> Counter[str]:
    """What the compilers say of the objects, of which none is there already."""
    single_objects.configure(config, src)
    for name in objects:
        (config.out / name).unlink(missing_ok=True)
    return single_objects.compile_objects(config, src, objects, context.progress.tick)


def check_prefixes(config: single_objects.Config, context: Context) -> Result:
    """Every prefix compiles what the series touches; W=1 and sparse say nothing new."""
    host_packages.need(*config.groups)
    info = context.ready
    files = series.patches(info.queue)
    touched = series.touched(files)
    src = tree.worktree(info, "prefix", info.base_commit)
    before = _compiled_anew(config, src, single_objects.relevant(config, src, touched), context)
    complaints, compiled = [], 0
    for number, commit in enumerate(series.commits(info.path, info.base_commit, info.tip_commit)):
        changed = single_objects.concerned(config.arch, series.touched([files[number]]))
        if not changed:
            continue
        compiled += 1
        tree.worktree(info, "prefix", commit)
        context.progress.tick(files[number].name)
        if any(Path(path).name.startswith("Kconfig") for path in changed):
            single_objects.configure(config, src)
        wanted = single_objects.relevant(config, src, touched)
        try:
            now = single_objects.compile_objects(config, src, wanted, context.progress.tick)
        except HarnessError as error:
            return Result(Exit.BUILD, f"after {files[number].name}: {error.message}")
        complaints += [f"after {files[number].name}: {text}" for text in new_messages(now, before)]
    wrong = kconfig.missing(tuple(config.optional.items()), (config.out / ".config").read_text())
    if wrong:
        complaints.append(f"with the whole series on, {', '.join(wrong)}")
    return verdict(complaints, f"{compiled} of {len(files)} prefixes matter here, {len(wanted)} "
                   "objects; W=1 and sparse say nothing new", Exit.BUILD)


def check_config(config: single_objects.Config, context: Context) -> Result:
    """The objects compile in the patched tree; W=1 says nothing that it did not on the base."""
    host_packages.need(*config.groups)
    info = context.ready
    before, now = (_compiled_anew(config, tree.worktree(info, "prefix", commit), config.objects,
                                  context) for commit in (info.base_commit, info.tip_commit))
    return verdict(new_messages(now, before),
                   f"{len(config.objects)} objects; W=1 says nothing new", Exit.BUILD)


def check_compiled(context: Context) -> Result:
    """Each C file that the series touches is compiled by one of the configurations."""
    info = context.ready
    left = single_objects.not_compiled(single_objects.configs(info.queue), info.path,
                                       series.touched(series.patches(info.queue)))
    return verdict([f"no configuration of objects.toml compiles {path}"
                    for path in left], "each file that the series touches", Exit.CONFIG)


BEFORE_A_TREE = (("series and files", check_files), ("patches of two queues", check_siblings),
                 ("table of releases", check_releases))
IN_THE_TREE = (
    ("git am, pristine tree", check_am),
    ("shared files", check_shared),
    ("round trip", check_round_trip),
    ("checkpatch", check_checkpatch),
    ("kernel-doc", check_kernel_doc),
    ("litmus names", check_litmus),
    ("mutants", check_mutants),
    ("splat patterns", check_splats),
    ("git am, upstream", check_upstream),
    ("compiled files", check_compiled),
)


def checks(quick: bool, opts: Options, progress: Progress) -> list[Part]:
    """Runs the checks and returns a Part for each; complaints are printed."""
    context = Context(opts, progress)
    builds = [(config.name, partial(check_prefixes if config.prefixes else check_config, config))
              for config in ([] if quick else single_objects.configs(opts.queue))]
    parts = []
    for name, check in (*BEFORE_A_TREE, *IN_THE_TREE, *builds):
        start = time.monotonic()
        progress.tick(name)
        needs_tree = (name, check) not in BEFORE_A_TREE
        try:
            if needs_tree and not context.tree:
                context.tree = tree.ensure_tree(opts, progress)
            result = check(context)
        except HarnessError as error:
            result = Result(error.code, error.message)
        good = result.code == Exit.OK
        parts.append(Part(name, result.code, int(good and not result.skipped), int(not good),
                          int(good and result.skipped), time.monotonic() - start,
                          result.detail.splitlines()[0]))
        if not good:
            print(f"run: {name}: {result.detail}", file=sys.stderr, flush=True)
            if needs_tree and not context.tree:
                break       # without a tree the rest would say the same again
    return parts
