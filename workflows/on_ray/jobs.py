"""Runs on a Ray cluster from outside: submit, follow, look, stop."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime

import aiohttp
from ray.exceptions import AuthenticationError
from ray.job_submission import JobDetails, JobStatus, JobSubmissionClient
from rich.console import Console

from ..errors import EXIT_INTERRUPTED, UserError
from ..progress import duration
from .submission import Request, check, new_name, runtime_environment

MAX_FAILURES = 10
LONGEST_WAIT_SECONDS = 30.0
POLL_SECONDS = 0.5
CHATTY = ("ray", "ray.dashboard.modules.dashboard_sdk", "ray.dashboard.modules.job.sdk")
"""Loggers of Ray's that would mix uploads and connections into the log of the run."""

log = logging.getLogger(__name__)


def submit(request: Request, address: str, console: Console, *, detach: bool = False) -> int:
    """Start a run on a cluster and follow it; return its exit code, 0 when `detach`ed.

    Args:
        address: the cluster's dashboard, http://HEAD:8265.

    Raises:
        UserError: see `submission.check`; or no cluster answers, or it refuses the job.
    """
    check(request)
    client = _connect(address)
    name = new_name(request.benchmark)
    with runtime_environment(request) as environment:
        try:
            client.submit_job(
                entrypoint=request.command,
                submission_id=name,
                runtime_env=environment,
                metadata={"run_dir": request.run_dir},
            )
        except (RuntimeError, ValueError) as error:
            raise UserError(f"the cluster at {address!r} refused the job: {error}") from error
    _say(console, f"Job {name} was submitted to {address}.")
    if detach:
        _say(console, _how_to_return(address, name))
        return 0
    return follow(address, name, console)


def follow(address: str, job: str, console: Console) -> int:
    """Print a job's log from its beginning until it ends; return the job's exit code.

    A lost connection is taken up again. Ctrl-C leaves the log; the job goes on.

    Raises:
        UserError: there is no such job, or the cluster does not answer any more.
    """
    client = _connect(address)
    _details(client, address, job)
    try:
        asyncio.run(
            _print_log(client, job, lambda text: console.out(text, end="", highlight=False))
        )
        return _wait_for_end(client, address, job, console)
    except KeyboardInterrupt:
        _say(console, f"The run goes on without you. {_how_to_return(address, job)}")
        return EXIT_INTERRUPTED


def job_status(address: str, job: str | None, console: Console) -> int:
    """Print what a job is doing; without a name, list the cluster's runs.

    Returns:
        The job's exit code; 0 while it runs and for a list.
    """
    client = _connect(address)
    if job is None:
        jobs = [item for item in client.list_jobs() if _is_ours(item)]
        for item in sorted(jobs, key=lambda item: item.start_time or 0):
            _say(console, _summary(item))
        if not jobs:
            _say(console, f"No run has been submitted to {address}.")
        return 0
    details = _details(client, address, job)
    _say(console, _summary(details))
    if not details.status.is_terminal():
        return 0
    return _exit_code(details, console)


def stop(address: str, job: str, console: Console) -> int:
    """End a job and wait until it has ended; return 0."""
    client = _connect(address)
    details = _details(client, address, job)
    if not details.status.is_terminal():
        client.stop_job(job)
        while not details.status.is_terminal():
            time.sleep(POLL_SECONDS)
            details = _details(client, address, job)
    _say(console, _summary(details))
    if details.status == JobStatus.STOPPED:
        _say(
            console,
            "What was finished is stored; submitting the same run again goes on from there.",
        )
    return 0


def _connect(address: str) -> JobSubmissionClient:
    if not address.startswith(("http://", "https://")):
        raise UserError(
            f"--address {address!r}: wanted the address of a cluster's dashboard, such as "
            "http://127.0.0.1:8265"
        )
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    try:
        return JobSubmissionClient(address)
    except AuthenticationError as error:
        raise UserError(
            f"the cluster at {address!r} asks for a token and did not get the right one; set "
            "RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH to that of the cluster"
        ) from error
    except (ConnectionError, RuntimeError) as error:
        raise UserError(
            f"no Ray cluster answers at {address!r}; start one as the pages in cluster/ show, and "
            "open its tunnel (ray dashboard, kubectl port-forward or ssh -L)"
        ) from error


def _details(client: JobSubmissionClient, address: str, job: str) -> JobDetails:
    try:
        return client.get_job_info(job)
    except RuntimeError as error:
        if "does not exist" not in str(error):
            raise UserError(f"the cluster at {address!r} gave no answer: {error}") from error
        raise UserError(
            f"the cluster at {address!r} has no job {job!r}; 'swagflow status --address {address}' "
            "lists its runs"
        ) from error
    except OSError as error:
        raise UserError(
            f"the cluster at {address!r} does not answer any more; {_how_to_return(address, job)}"
        ) from error


async def _print_log(client: JobSubmissionClient, job: str, write: Callable[[str], None]) -> None:
    """Write a job's log as it grows, over as many connections as that takes."""
    shown = failures = 0
    while failures < MAX_FAILURES:
        position = 0
        try:
            async for text in client.tail_job_logs(job):
                # Each connection repeats the log from its beginning.
                if new := text[max(shown - position, 0) :]:
                    write(new)
                    failures = 0
                position += len(text)
                shown = max(shown, position)
            return
        except (RuntimeError, OSError, aiohttp.ClientError):
            log.info("the log of %s broke off (%d); trying again", job, failures)
            await asyncio.sleep(min(POLL_SECONDS * 2**failures, LONGEST_WAIT_SECONDS))
            failures += 1


def _wait_for_end(client: JobSubmissionClient, address: str, job: str, console: Console) -> int:
    details = _details(client, address, job)
    while not details.status.is_terminal():
        time.sleep(POLL_SECONDS)
        details = _details(client, address, job)
    return _exit_code(details, console)


def _exit_code(details: JobDetails, console: Console) -> int:
    """Return the exit code of an ended job; say why, where its own log cannot."""
    if details.status == JobStatus.SUCCEEDED:
        return 0
    if details.status == JobStatus.STOPPED:
        return EXIT_INTERRUPTED
    if details.driver_exit_code is None:
        _say(console, f"The job did not start: {details.message}")
        return 1
    code = int(details.driver_exit_code)
    return code if code > 0 else 128 - code


def _summary(details: JobDetails) -> str:
    start = (details.start_time or 0) / 1000
    end = details.end_time / 1000 if details.end_time else time.time()
    began = datetime.fromtimestamp(start, UTC).isoformat(" ", "minutes")
    where = (details.metadata or {}).get("run_dir", "")
    return (
        f"{details.submission_id}: {str(details.status).lower()}, began {began}, "
        f"{duration(end - start)}, run folder {where}"
    )


def _is_ours(details: JobDetails) -> bool:
    return (details.submission_id or "").startswith("swagflow-")


def _how_to_return(address: str, job: str) -> str:
    return f"Come back with: swagflow status --address {address} --job {job} --follow"


def _say(console: Console, text: str) -> None:
    console.print(text, soft_wrap=True, highlight=False, markup=False)
