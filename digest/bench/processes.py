"""Parts of a benchmark in processes of their own, so that neither their CPU nor their memory is counted with ours.

Promises: each ends with the benchmark, however that ends, since its standard input does; it takes no setting and no
proxy of this environment. Refuses: to go on when one ended badly.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from digest.errors import Refused

END_WITHIN = 10.0  # seconds


class Part:
    """A program that answers a byte on its standard input with one line of JSON, and ends when that input ends."""

    def __init__(self, command: Sequence[str], *, keep: Sequence[int] = ()) -> None:
        self._command = command
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=keep, env=_environment()
        )

    def ask(self) -> Any:
        """Its answer. Raises Refused when it has ended instead."""
        stdin, stdout = self._process.stdin, self._process.stdout
        line = b""
        if stdin is not None and stdout is not None:
            try:
                stdin.write(b"?")
                stdin.flush()
            except BrokenPipeError:
                pass  # it has ended; what it said before is read all the same
            line = stdout.readline()
        if not line:
            raise Refused(
                f"A part of the benchmark ended too early: {' '.join(self._command)}. See what it said above."
            )
        return json.loads(line)

    def end(self) -> None:
        """Ends its input and waits for it."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        try:
            self._process.wait(END_WITHIN)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@contextmanager
def running(command: Sequence[str], *, keep: Sequence[int] = ()) -> Iterator[Part]:
    """A part for the length of the block; `keep` are file descriptors that it inherits."""
    part = Part(command, keep=keep)
    try:
        yield part
    finally:
        part.end()


def module(name: str, *words: object) -> list[str]:
    """The command that runs one of our modules as a program."""
    return [sys.executable, "-m", f"digest.bench.{name}", *map(str, words)]


def result(name: str, *words: object) -> Any:
    """What one of our modules says in JSON when it is run to its end. Raises Refused when it fails."""
    ended = subprocess.run(module(name, *words), stdout=subprocess.PIPE, check=False, env=_environment())
    if ended.returncode != 0:
        raise Refused(f"A part of the benchmark failed: {name} {' '.join(map(str, words))}. See what it said above.")
    return json.loads(ended.stdout)


def _environment() -> dict[str, str]:
    """Without settings, which could send mail elsewhere, and without proxies."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("DIGEST_") and not name.lower().endswith("_proxy")
    }
