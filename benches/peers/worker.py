"""One peer as a process that measures when asked, and a watch on who else uses the processor meanwhile.

Both peers speak this protocol: one JSON line when warm (`ready`, `versions`, `base_bytes`, or a `reason` why not), then
for each line with a number of seconds one JSON line with `images`, `seconds`, `loss`, `peak_bytes` and `card_bytes`.
"""

import json
import os
import subprocess
import tempfile
import threading
import time

# Cores that others may keep busy while a peer is measured, how long one measurement waits for that, and how long it
# looks.
TOLERATED_CORES = 0.1
PATIENCE_SECONDS = 120.0
PAUSE_SECONDS = 0.4

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")  # of the clocks in /proc

# With these, glibc's allocator hands no large block back to the system, so that none must be zeroed again.
KEEP_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": str(2**32),
    "MALLOC_TRIM_THRESHOLD_": str(2**36),
    "MALLOC_TOP_PAD_": str(2**26),
}


class Failed(Exception):
    """A peer that cannot run what it was asked for."""


class Worker:
    """A peer that has warmed up, within so many seconds if there is a limit. Use it in a `with` block: leaving ends the
    process."""

    def __init__(self, command, environment=None, limit=None):
        self.errors = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            env=os.environ | (environment or {}),
        )
        timer = threading.Timer(limit or 0, self.process.kill)
        if limit:
            timer.start()
        try:
            self.ready = self.answer()
            if not self.ready["ready"]:
                raise Failed(self.ready["reason"])
        except BaseException:
            self.close()
            raise
        finally:
            timer.cancel()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def measure(self, seconds, patience=PATIENCE_SECONDS):
        """Runs for so many seconds while nobody else does, and says in `others` how many cores others kept busy all
        the same. A disturbed measurement is repeated until patience ends; the least disturbed one is returned."""
        best, deadline = None, time.perf_counter() + patience
        while True:
            wait_for_quiet(deadline)
            before = self.clocks()
            answer = self.ask(seconds)
            answer["others"] = self.others(before)
            if best is None or answer["others"] < best["others"]:
                best = answer
            if best["others"] <= TOLERATED_CORES or time.perf_counter() > deadline:
                return best

    def ask(self, seconds):
        self.process.stdin.write(f"{seconds}\n")
        self.process.stdin.flush()
        return self.answer()

    def answer(self):
        for line in self.process.stdout:
            if line.startswith("{"):
                return json.loads(line)
        self.process.wait()
        self.errors.seek(0)
        lines = self.errors.read().strip().splitlines()
        raise Failed(lines[-1] if lines else f"ended with status {self.process.returncode}")

    def clocks(self):
        """Time, busy seconds of all cores, busy seconds of this peer."""
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as stat:
            fields = stat.read().rpartition(")")[2].split()
        own = (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND
        return time.perf_counter(), busy_seconds(), own

    def others(self, before):
        passed, busy, own = (now - then for now, then in zip(self.clocks(), before))
        return max(0.0, (busy - own) / passed)

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.errors.close()


def busy_seconds():
    """Seconds that all cores together were not idle (time stolen by other machines included)."""
    with open("/proc/stat", encoding="ascii") as stat:
        user, nice, system, _idle, _waiting, *rest = (int(field) for field in stat.readline().split()[1:9])
    return (user + nice + system + sum(rest)) / TICKS_PER_SECOND


def wait_for_quiet(deadline):
    """Waits until others keep less than the tolerated share of a core busy, or the deadline."""
    while time.perf_counter() < deadline:
        before = busy_seconds()
        time.sleep(PAUSE_SECONDS)
        if (busy_seconds() - before) / PAUSE_SECONDS <= TOLERATED_CORES:
            return
