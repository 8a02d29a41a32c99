"""`wharf test` against real stores: it passes what works, leaves nothing behind, and says what is wrong when something is."""

import json
import os
import subprocess

from prepare import seaweedfs
from report import check, equal, finish, setting

TIMEOUT_SECONDS = 60


def wharf_test(*arguments, **environment):
    """The exit status, and each check's row by its name."""
    command = [setting("WHARF"), "--config", setting("INTEROP_TOML"), "test", "--json", *arguments]
    run = subprocess.run(
        command, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, env=os.environ | environment
    )
    assert run.stdout, run.stderr
    return run.returncode, {row["check"]: row for row in json.loads(run.stdout)["checks"]}


def outcomes(rows):
    return {name: row["outcome"] for name, row in rows.items()}


with check("wharf test: SeaweedFS passes every check but the one for TLS, which it has not"):
    status, rows = wharf_test("seaweedfs", "--bucket", "seaweedfs-files")
    expected = {name: "passed" for name in rows} | {"tls": "skipped"}
    equal((status, outcomes(rows)), (0, expected))
    equal(len(rows), 11)

with check("wharf test: nothing is left behind in the store"):
    keys = [entry["Key"] for entry in seaweedfs().list_objects_v2(Bucket="interop").get("Contents", [])]
    equal([key for key in keys if ".wharf-test" in key], [])
    equal(seaweedfs().list_multipart_uploads(Bucket="interop").get("Uploads", []), [])

with check("wharf test: a wrong secret fails the credentials, skips what needs them, and is not shown"):
    wrong = "a-secret-that-the-store-does-not-know"
    status, rows = wharf_test(
        "seaweedfs", "--bucket", "seaweedfs-files", WHARF_PROVIDERS__SEAWEEDFS__SECRET_ACCESS_KEY=wrong
    )
    equal((status, rows["credentials"]["outcome"], rows["write"]["outcome"]), (1, "failed", "skipped"))
    assert wrong not in json.dumps(rows)

with check("wharf test: a bucket that is not there fails, and is named"):
    status, rows = wharf_test("seaweedfs", "--bucket", "no-such-bucket")
    equal((status, rows["credentials"]["outcome"], rows["bucket"]["outcome"]), (1, "passed", "failed"))

with check("wharf test: rclone stores, reads back and deletes"):
    _, rows = wharf_test("rclone", "--bucket", "rclone-files")
    equal({rows[name]["outcome"] for name in ("credentials", "write", "read-back", "delete")}, {"passed"})

with check("wharf test: a store that is not there fails at the first check that needs it"):
    status, rows = wharf_test(
        "seaweedfs", "--bucket", "seaweedfs-files", WHARF_PROVIDERS__SEAWEEDFS__ENDPOINT="http://127.0.0.1:9"
    )
    equal((status, rows["write"]["outcome"]), (1, "skipped"))
    assert "failed" in outcomes(rows).values()

finish()
