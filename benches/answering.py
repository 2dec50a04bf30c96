"""`poq` as a process that answers rows of JSON one by one, for the scripts that set it beside others."""

import json
import os
import subprocess

THREADS = 2


class Answering:
    """One process for all rows, so that reading the weights is not timed: it answers a row as soon as it has read it."""

    def __init__(self, *command):
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "RAYON_NUM_THREADS": str(THREADS)},
        )

    def answer(self, **row):
        return self.answers([row])[0]

    def answers(self, rows):
        """Of as many rows as the process reads before it answers: more of them might fill what is between both."""
        self.process.stdin.write("".join(json.dumps(row) + "\n" for row in rows))
        self.process.stdin.flush()
        return [json.loads(self.process.stdout.readline()) for _ in rows]

    def end(self):
        self.process.stdin.close()
        self.process.wait()
