"""Two trainers on one run, and signals that ask a run to save and end."""

import json
import os
import shutil
import signal
import socket

import pytest

from image_core.runs import lock
from image_core.runs.folder import RunFolder
from seqgan.cli import main
from seqgan.commands import train
from tests.recipes.made import TINY_ORACLE, content, refusal, shorten
from tests.recipes.made import short_report as short_report
from tests.recipes.outside import assert_same_weights

SHORT = (*TINY_ORACLE, "--mle_epochs", "2", "--rounds", "3", "--test_size", "16", "--out")
NEVER = ("--save_seconds", "1e6")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    run = tmp_path_factory.mktemp("undisturbed") / "run"
    with pytest.MonkeyPatch.context() as patched:
        shorten(patched, 1.0)
        assert main([*SHORT, str(run)]) == 0
    return run


def assert_same(run, other):
    assert_same_weights(run, other)
    assert (run / "log.jsonl").read_bytes() == (other / "log.jsonl").read_bytes()
    assert not (run / ".lock").exists()


def lines(run) -> int:
    log = run / "log.jsonl"
    return log.read_bytes().count(b"\n") if log.exists() else 0


# --------------------------------------------------------------------------------------- the lock


def held_by(run, host: str, pid: int, started: int) -> None:
    (run / ".lock").write_text(json.dumps({"host": host, "pid": pid, "started": started}))


@pytest.mark.usefixtures("short_report")
def test_the_lock_of_another_host_is_respected_until_it_is_removed(undisturbed, tmp_path, capsys):
    run = tmp_path / "run"
    shutil.copytree(undisturbed, run)
    held_by(run, "elsewhere", os.getpid(), 1)
    before = content(run)
    said = refusal(capsys, "resume", str(run))
    assert f"process {os.getpid()} on elsewhere" in said
    assert f"remove {run / '.lock'}" in said
    assert content(run) == before
    (run / ".lock").unlink()
    assert main(["resume", str(run)]) == 0


@pytest.mark.usefixtures("short_report")
def test_a_later_process_of_the_same_id_does_not_hold_the_lock(undisturbed, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(undisturbed, run)
    held_by(run, socket.gethostname(), os.getppid(), 1)
    assert main(["resume", str(run)]) == 0
    assert not (run / ".lock").exists()


def test_a_run_can_start_where_one_was_killed_before_its_first_file(tmp_path):
    held_by(tmp_path, socket.gethostname(), os.getppid(), 1)
    folder = RunFolder(tmp_path)
    folder.check_unused()
    with folder.locked():
        folder.check_unused()
        assert json.loads(folder.lock.read_text())["pid"] == os.getpid()
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_lock_is_named_and_left_alone(tmp_path):
    (tmp_path / ".lock").write_text("years of work")
    with pytest.raises(lock.UserError, match=r"\.lock is not a lock"), lock.locked(tmp_path):
        pass
    assert (tmp_path / ".lock").read_text() == "years of work"


def test_the_lock_of_someone_else_is_not_released(tmp_path):
    with lock.locked(tmp_path):
        held_by(tmp_path, "elsewhere", 1, 1)
    assert (tmp_path / ".lock").exists()


def test_of_many_processes_one_gets_the_lock(tmp_path):
    """All begin at once, and the one that gets it keeps it until all have tried."""
    ready, go = os.pipe(), os.pipe()
    children = []
    for _ in range(8):
        child = os.fork()
        if child == 0:
            os.close(go[1])
            os.read(go[0], 1)  # returns when the parent closes its end
            try:
                lock._take(tmp_path)
                os.write(ready[1], b"1")
            except lock.UserError:
                os.write(ready[1], b"0")
            signal.pause()
        children.append(child)
    os.close(go[1])
    got = b"".join(os.read(ready[0], 1) for _ in children)
    for child in children:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert sorted(got) == sorted(b"10000000")


# -------------------------------------------------------------------------------------- the signals


def signalled(patched, number: int, calls: int, times: int = 1) -> None:
    """The process gets a signal when it logs its `calls`-th round."""
    write, made = RunFolder.write_log, []

    def call(self, record):
        made.append(record)
        write(self, record)
        if len(made) == calls:
            for _ in range(times):
                os.kill(os.getpid(), number)

    patched.setattr(RunFolder, "write_log", call)


@pytest.mark.usefixtures("short_report")
@pytest.mark.parametrize(
    ("number", "calls"),
    [(signal.SIGTERM, 1), (signal.SIGTERM, 5), (signal.SIGUSR1, 2), (signal.SIGINT, 2)],
)
def test_a_signal_saves_after_the_round_and_the_run_resumes_the_same(
    undisturbed, tmp_path, monkeypatch, capfd, number, calls
):
    run = tmp_path / "run"
    before = signal.getsignal(number)
    with monkeypatch.context() as patched:
        signalled(patched, number, calls)
        assert main([*SHORT, str(run), *NEVER]) == 75
    assert signal.getsignal(number) is before
    said = capfd.readouterr().err
    assert "saving after this round" in said
    assert said.endswith(f"seqgan: stopped; `seqgan resume {run}` goes on where it stopped\n")
    # Saved although no checkpoint was due: the log is not cut back
    assert lines(run) == calls
    assert json.loads((run / "checkpoint" / "state.json").read_text())["round"] == calls
    assert main(["resume", str(run)]) == 0
    assert_same(run, undisturbed)


@pytest.mark.usefixtures("short_report")
def test_a_second_ctrl_c_stops_at_once(undisturbed, tmp_path, monkeypatch, capfd):
    run = tmp_path / "run"
    with monkeypatch.context() as patched:
        signalled(patched, signal.SIGINT, 2, times=2)
        assert main([*SHORT, str(run), *NEVER]) == 130
    assert "resumes from the last checkpoint" in capfd.readouterr().err
    assert not (run / "checkpoint").exists()
    assert main(["resume", str(run)]) == 0
    assert_same(run, undisturbed)


@pytest.mark.usefixtures("short_report")
def test_a_scheduler_may_signal_again_and_again(undisturbed, tmp_path, monkeypatch):
    run = tmp_path / "run"
    with monkeypatch.context() as patched:
        signalled(patched, signal.SIGTERM, 2, times=3)
        assert main([*SHORT, str(run), *NEVER]) == 75
    assert main(["resume", str(run)]) == 0
    assert_same(run, undisturbed)


@pytest.mark.usefixtures("short_report")
def test_a_signal_during_the_report_loses_nothing(undisturbed, tmp_path, monkeypatch):
    run = tmp_path / "run"
    with monkeypatch.context() as patched:
        patched.setattr(RunFolder, "write_result", lambda *_: os.kill(os.getpid(), signal.SIGTERM))
        assert main([*SHORT, str(run)]) == 75
    assert not (run / "result.json").exists()
    assert main(["resume", str(run)]) == 0
    assert_same(run, undisturbed)


@pytest.mark.parametrize("words", [("train", "oracle", "--out"), ("resume",)])
def test_a_signal_before_the_first_round_ends_in_the_same_code(
    undisturbed, tmp_path, monkeypatch, words
):
    def signalled(name):
        os.kill(os.getpid(), signal.SIGUSR1)

    monkeypatch.setattr(train, "recipe_module", signalled)
    handler = signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # which would let the run go on
    try:
        out = undisturbed if words == ("resume",) else tmp_path / "run"
        assert main([*words, str(out)]) == 75
    finally:
        signal.signal(signal.SIGUSR1, handler)
    assert not (out / ".lock").exists()
