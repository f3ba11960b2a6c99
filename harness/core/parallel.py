"""Several functions at a time; each gets an Event, and ends soon after it is set."""

import threading
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any, Callable, Sequence

POLL_S = 0.5        # seconds between two looks at what is under way


def run(jobs: Sequence[tuple[str, Callable[[threading.Event], Any]]], workers: int,
        tick: Callable[[str], None], done: Callable[[int, Future], Any]) -> list[Any]:
    """Runs the jobs; done(number, future) makes the result of each as it ends."""
    stop = threading.Event()
    results: dict[int, Any] = {}
    with ThreadPoolExecutor(max_workers=workers) as pool:
        try:
            pending = {pool.submit(job, stop): number for number, (_, job) in enumerate(jobs)}
            while pending:
                for future in wait(pending, timeout=POLL_S, return_when=FIRST_COMPLETED)[0]:
                    number = pending.pop(future)
                    results[number] = done(number, future)
                busy = ", ".join(jobs[number][0] for future, number in pending.items()
                                 if future.running())
                tick(f"{len(jobs) - len(pending)} of {len(jobs)}, now {busy}")
        except BaseException:
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return [results[number] for number in range(len(jobs))]
