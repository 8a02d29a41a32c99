"""Whether the journal answers only when the disk has what it was given.

Runs the journal's own tests (the binary that is the first argument) under strace, and

1. reads the order of system calls: between a question and its answer lies a write to the database's log, and behind the
   last such write an fsync that has come back;
2. lets every fsync fail for a while: no intent is answered then, and afterwards they are again;
3. fills the disk under the journal (a small tmpfs, where the system lets us mount one).

Each check is a line, `ok WHAT` or `FAILED WHAT: WHY`, or `SKIP WHAT: WHY`.
"""

import os
import re
import signal
import subprocess
import sys
import tempfile

TEST = "store_faults::"
ASKED, ANSWERED, REFUSED = "journal-asked", "journal-answered", "journal-refused"
INTENTS = 20


def run(binary, test, prefix=(), **variables):
    command = [*prefix, binary, "--exact", TEST + test, "--nocapture", "--test-threads=1"]
    return subprocess.run(command, env=os.environ | variables, capture_output=True, text=True, timeout=120)


def trace(binary, folder):
    """The lines of a trace, in the order in which the calls came back."""
    path = os.path.join(folder, "trace")
    calls = "trace=openat,write,pwrite64,pwritev,fsync,fdatasync"
    done = run(binary, "an_intent_is_on_the_disk_when_it_is_answered", ["strace", "-f", "-y", "-s", "80", "-e", calls, "-o", path])
    if done.returncode != 0:
        raise RuntimeError(done.stderr[-2000:] + done.stdout[-2000:])
    with open(path, encoding="utf-8", errors="replace") as lines:
        return list(lines)


def returned(lines):
    """(call, file or text) for each call when it has come back with success: a call that another thread's interrupts in
    the trace comes in two lines, and counts at the second one."""
    begun = {}
    for line in lines:
        thread, _, rest = line.partition(" ")
        rest = rest.strip()
        if rest.endswith("<unfinished ...>"):
            begun[thread] = rest.removesuffix("<unfinished ...>")
            continue
        resumed = re.match(r"<\.\.\. \w+ resumed>(.*)", rest)
        if resumed:
            rest = begun.pop(thread, "") + resumed[1]
        call = re.match(r"(\w+)\((.*)\)\s+= (-?\d+)", rest)
        if call and int(call[3]) >= 0:
            yield call[1], call[2]


def order(lines):
    """How many answers came behind their fsync; raises at the first that did not."""
    asked, written, synced, answered = None, 0, 0, 0
    for call, arguments in returned(lines):
        if call == "write" and ASKED in arguments:
            asked, written, synced = arguments, 0, 0
        elif call == "write" and ANSWERED in arguments:
            if asked is None or written == 0 or synced < written:
                raise RuntimeError(f"{arguments}: {written} writes to the log, {synced} of them behind an fsync")
            answered += 1
        elif call in ("pwrite64", "pwritev", "write") and "wharf.db-wal>" in arguments:
            written += 1
        elif call in ("fsync", "fdatasync") and "wharf.db-wal>" in arguments:
            synced = written
    return answered


def check_order(binary):
    with tempfile.TemporaryDirectory() as folder:
        answered = order(trace(binary, folder))
    if answered != INTENTS:
        raise RuntimeError(f"{answered} answers were traced, not {INTENTS}")
    return f"{answered} intents were answered behind their fsync"


def check_failing_fsync(binary):
    """Lets fsync fail in the middle of a run. The test itself checks that no outcome is lost by it."""
    with tempfile.TemporaryDirectory() as folder:
        command = [binary, "--exact", TEST + "a_failing_disk_refuses_intents_until_it_works", "--nocapture"]
        environment = os.environ | {"WHARF_TEST_FAILING_DISK": folder}
        test = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            return fail_for_a_while(test, folder)
        finally:
            test.kill()
            test.wait()


def fail_for_a_while(test, folder):
    wait_for(test, ANSWERED, 10)
    inject = "inject=fsync,fdatasync:error=EIO"
    strace = subprocess.Popen(
        ["strace", "-f", "-q", "-e", inject, "-o", "/dev/null", "-p", str(test.pid)], stderr=subprocess.DEVNULL
    )
    try:
        wait_for(test, REFUSED, 1)
        # Nothing is answered while fsync fails: this raises at the first answer.
        wait_for(test, REFUSED, 10, never=ANSWERED)
    finally:
        strace.send_signal(signal.SIGINT)
        strace.wait()
    wait_for(test, ANSWERED, 10)
    open(os.path.join(folder, "stop"), "w").close()
    rest = test.stderr.read()
    if test.wait(timeout=60) != 0:
        raise RuntimeError(rest[-2000:])
    return "with fsync failing every intent is refused, and later they are taken again; no outcome is lost"


def wait_for(test, what, count, never=None):
    for line in test.stderr:
        if never and never in line:
            raise RuntimeError(f"{line.strip()} while fsync failed")
        if what in line:
            count -= 1
        if count == 0:
            return
    raise RuntimeError(f"the test ended without {what}")


def check_full_disk(binary):
    with tempfile.TemporaryDirectory() as disk:
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", disk], capture_output=True)
        if mounted.returncode != 0:
            return None
        try:
            done = run(binary, "a_full_disk_refuses_intents_until_there_is_room", WHARF_TEST_SMALL_DISK=disk)
        finally:
            subprocess.run(["umount", disk], check=True)
    if done.returncode != 0:
        raise RuntimeError((done.stdout + done.stderr)[-2000:])
    return "a full disk refuses intents, and they are taken again when there is room"


def main(binary):
    for name, check in [("order", check_order), ("fsync", check_failing_fsync), ("full-disk", check_full_disk)]:
        try:
            said = check(binary)
        except (RuntimeError, subprocess.TimeoutExpired) as error:
            print(f"FAILED journal-{name}: {error}")
        else:
            print(f"ok journal-{name}: {said}" if said else f"SKIP journal-{name}: no tmpfs can be mounted here")


if __name__ == "__main__":
    main(sys.argv[1])
