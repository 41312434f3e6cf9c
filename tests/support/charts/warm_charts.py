"""Draw the charts of the tests in processes that have matplotlib imported already. That import takes 0.7 s of CPU.

The bot starts `COMMAND` as it starts its own worker, with the same pipes. The started process hands its pipes to a
starter, which forks the worker. The started process and the worker end together. All test workers share one starter,
from the first chart on. Tests of the chart worker (tests/adapters/charts) use the bot's own command.
"""

import contextlib
import functools
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
POSSIBLE = sys.platform == "linux"
"""Whether a process with all of these imports can fork safely."""
HAND_OVER = """
import _socket, array, os, sys
there = _socket.socket(_socket.AF_UNIX)
there.connect("\\0" + sys.argv[1])
there.sendmsg([b"."], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, array.array("i", [0, 1]))])
os.close(0)
os.close(1)
there.recv(1)
"""
"""Gives the pipes to the starter, and ends when the worker has ended."""


class _Command(Sequence[str]):
    """The command for one worker. The first time it is read, it starts the starter."""

    def __getitem__(self, at: int) -> str:  # type: ignore[override]  # nobody takes a slice
        return _command()[at]

    def __len__(self) -> int:
        return len(_command())


COMMAND = _Command()


@functools.cache
def _command() -> tuple[str, ...]:
    """Start the one starter of this run of the tests, if no other test worker has done so."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID")
    name = f"charts-{run or os.getpid()}"  # an abstract name of Linux, which is in no folder
    whole_run = os.getppid() if run else os.getpid()
    command = (sys.executable, "-I", "-S", "-c", HAND_OVER, name)
    with socket.socket(socket.AF_UNIX) as listening:
        try:
            listening.bind(f"\0{name}")
        except OSError:  # another test worker was first
            return command
        listening.listen()
        given = (str(listening.fileno()), str(whole_run))
        starter = subprocess.Popen(  # noqa: S603 - this very file
            [sys.executable, "-m", "tests.support.charts.warm_charts", *given],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=[listening.fileno()],
        )
    starter.returncode = 0  # nobody waits for it: it ends after this process, and Python would warn of that
    return command


# -- in the starter


def serve(listening: socket.socket, whole_run: int) -> socket.socket | None:
    """Fork a process for each connection, until the process with the id `whole_run` ends.

    Return None in the starter. Return the connection in each forked process, which has the other side's pipes as its
    standard input and output.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the tests; the starter ends with them
    ended = os.pidfd_open(whole_run)
    while True:
        ready, _, _ = select.select([ended, listening.fileno()], [], [])
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass  # nobody asks for its exit code
        if ended in ready:
            return None
        connection, _ = listening.accept()
        with contextlib.suppress(OSError):
            _, pipes, _, _ = socket.recv_fds(connection, 1, 2)
            if len(pipes) == 2 and os.fork() == 0:
                listening.close()
                os.close(ended)
                for number, pipe in enumerate(pipes):
                    os.dup2(pipe, number)
                    os.close(pipe)
                return connection
            for pipe in pipes:
                os.close(pipe)
        connection.close()


def end_with(connection: socket.socket) -> None:
    """End this process as soon as the process that the bot started is killed."""

    def wait() -> None:
        connection.recv(1)
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


if __name__ == "__main__":
    os.environ.update(MPL_IGNORE_SYSTEM_FONTS="1", MPLBACKEND="agg", OPENBLAS_NUM_THREADS="1")
    import gc
    import tempfile

    with tempfile.TemporaryDirectory() as place:
        os.environ["MPLCONFIGDIR"] = place
        import adapters.charts.figure  # noqa: F401 - for everything that it imports
        from adapters.charts import worker

    gc.freeze()
    if connected := serve(socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2])):
        end_with(connected)
        worker.main()
