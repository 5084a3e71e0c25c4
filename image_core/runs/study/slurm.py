"""Workers of a study as an array job of Slurm, through submitit; preempted ones are requeued."""

import os
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from image_core.adversarial.errors import UserError
from image_core.runs.stopping import EXIT_CODE

TIMEOUTS = 1000
"""How often a worker whose time was up is put back; submitit itself gives up after three."""


class Worker:
    """One task of the array: the command in a process of its own, which saves when asked.

    submitit calls `checkpoint` in its signal handler. The process gets SIGUSR1 there, ends its
    round, saves and exits with code 75; the requeued task gives the same command again, and the
    study's storage and the run's checkpoint do the rest.

    Args:
        command: Words of the command.
    """

    def __init__(self, command: Sequence[str]):
        self.command = list(command)
        self.process: subprocess.Popen[bytes] | None = None

    def __call__(self) -> None:
        """Run the command to its end.

        Raises:
            RuntimeError: It has not ended well; submitit notes the job as failed.
        """
        self.process = subprocess.Popen(self.command)
        code = self._wait()
        self.process.wait()
        if code:
            raise RuntimeError(f"{' '.join(self.command)}: exit code {code}")

    def checkpoint(self) -> Any:
        """Let the process save, and say what is to be submitted in its place."""
        from submitit.helpers import DelayedSubmission

        if self.process is not None:
            with suppress(ChildProcessError):  # it has ended in this moment
                self.process.send_signal(signal.SIGUSR1)
                code = self._wait()
                print(f"stopped with exit code {code}; {EXIT_CODE} means saved", flush=True)
        return DelayedSubmission(Worker(self.command))

    def _wait(self) -> int:
        # Not by Popen.wait, whose lock a signal handler would wait for without end
        assert self.process is not None
        seen = os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOWAIT)
        assert seen is not None
        return seen.si_status if seen.si_code == os.CLD_EXITED else -seen.si_status


def submit(
    command: Sequence[str], folder: Path, workers: int, options: str, cluster: str
) -> list[Any]:
    """Submit workers as one array job.

    Args:
        command: Words of the command of a worker.
        folder: Folder of the study; scripts and logs go into `slurm/` of it.
        workers: Number of workers.
        options: Parameters of submitit, name=value separated by commas.
        cluster: Executor of submitit: slurm, or local for processes of this machine.

    Returns:
        The jobs, as submitit's objects.

    Raises:
        UserError: submitit is missing, there is no Slurm here, or it knows no such parameter.
    """
    try:
        import submitit
    except ImportError as error:
        raise UserError("--slurm needs submitit: `pip install 'seqgan[slurm]'`") from error
    parameters = _parameters(options)
    place = folder / "slurm"
    try:
        executor = submitit.AutoExecutor(
            folder=place,
            cluster=cluster,
            slurm_max_num_timeout=TIMEOUTS,
            local_max_num_timeout=TIMEOUTS,
        )
        executor.update_parameters(name=folder.resolve().name, **parameters)
        with executor.batch():
            jobs = [executor.submit(Worker(command)) for _ in range(workers)]
    except (NameError, TypeError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"--slurm: submitit refuses: {reason}") from error
    numbers = ", ".join(job.job_id for job in jobs)
    print(f"{workers} workers submitted as {numbers}; their scripts and logs are in {place}")
    return jobs


def _parameters(options: str) -> dict[str, str | int]:
    found: dict[str, str | int] = {}
    for part in filter(None, (part.strip() for part in options.split(","))):
        name, equals, value = part.partition("=")
        if not equals:
            raise UserError(f"--slurm_options {part}: write name=value, as in timeout_min=240")
        found[name] = int(value) if value.lstrip("-").isdigit() else value
    return found
