"""Arguments and measuring, as those of the clients in Rust."""

import json
import os
import resource
import sys
import time


class Meter:
    """Counts events, and takes the readings between which all is counted."""

    def __init__(self, version, more_skipped=0):
        given = dict(zip(sys.argv[1::2], sys.argv[2::2]))
        self.port = given["--port"]
        self.version = version
        self.events = int(given["--events"])
        self.skip = int(given["--skip"]) + more_skipped
        self.end = self.skip + self.events
        self.taken = 0
        self.errors = 0
        self.begin = self.first = None

    def take(self):
        """Whether it was the last."""
        self.taken += 1
        if self.taken == self.skip:
            self.begin = resource.getrusage(resource.RUSAGE_SELF)
        elif self.taken == self.skip + 1:
            self.first = time.monotonic_ns()
        return self.taken == self.end

    def report(self):
        """Prints the line and ends the process."""
        usage, wall = resource.getrusage(resource.RUSAGE_SELF), time.monotonic_ns() - self.first
        with open("/proc/self/status", encoding="utf-8") as status:
            peak = next(line.split()[1] for line in status if line.startswith("VmHWM"))
        print(json.dumps({
            "version": self.version,
            "events": self.events,
            "errors": self.errors,
            "user_ns": round((usage.ru_utime - self.begin.ru_utime) * 1e9),
            "system_ns": round((usage.ru_stime - self.begin.ru_stime) * 1e9),
            "wall_ns": wall,
            "peak_kb": int(peak),
        }), flush=True)
        os._exit(0)
