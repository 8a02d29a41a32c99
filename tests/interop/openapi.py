"""The API's own description, put to the test by schemathesis: it makes requests of the document, sound ones and broken ones, for
every operation, webhooks, Uppy's routes and events among them, against Wharf with a real store behind. No request may end in
a 5xx, and no reply may be one that the document does not describe."""

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from prepare import seaweedfs
from report import check, equal, finish, setting

CONFIG = """
[server]
api_listen = "127.0.0.1:18490"
admin_listen = "127.0.0.1:18491"
s3_listen = "127.0.0.1:18493"
data_directory = "{data}"
[s3]
public_endpoint = "http://127.0.0.1:18493"
[log]
filter = "warn"
access = false
[providers.store]
plugin = "minio"
endpoint = "{endpoint}"
access_key_id = "{key}"
secret_access_key = "{secret}"
[buckets.files]
provider = "store"
bucket = "openapi"
events = {{ token = "openapi-events-0123456789" }}
[[buckets.files.mirrors]]
provider = "store"
bucket = "openapi-copies"
name = "copies"
[webhooks]
enabled = true
endpoints = ["http://127.0.0.1:9"]
[companion]
base = "/uploads/uppy"
[[keys]]
id = "openapi_key_0123456789"
allow = [{{ bucket = "*", actions = ["read", "write", "delete", "list", "configure"] }}]
"""
API = "http://127.0.0.1:18490"
KEY = {"x-api-key": "openapi_key_0123456789"}
EVENTS = {"authorization": "Bearer openapi-events-0123456789"}
# What the document promises of every reply. Whether a body that it allows is also accepted is another question: a schema does
# not say which objects there are.
CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "ignored_auth",
]
# For each operation, besides those that cover its schema.
EXAMPLES = int(os.environ.get("OPENAPI_EXAMPLES", "10"))
TIMEOUT_SECONDS = 900


def start(folder):
    config = Path(folder, "wharf.toml")
    config.write_text(
        CONFIG.format(
            data=Path(folder, "data"),
            endpoint=setting("S3_ENDPOINT"),
            key=setting("AWS_ACCESS_KEY_ID"),
            secret=setting("AWS_SECRET_ACCESS_KEY"),
        )
    )
    wharf = subprocess.Popen([setting("WHARF"), "--config", str(config), "serve"])
    for _ in range(100):
        try:
            urllib.request.urlopen(f"{API}/openapi.json", timeout=1).read()
            return wharf
        except OSError:
            time.sleep(0.1)
    wharf.terminate()
    raise RuntimeError("Wharf did not start")


def make_bucket():
    """There is one object, so that some requests find something."""
    there = [bucket["Name"] for bucket in seaweedfs().list_buckets()["Buckets"]]
    for name in {"openapi", "openapi-copies"}.difference(there):
        seaweedfs().create_bucket(Bucket=name)
    seaweedfs().put_object(Bucket="openapi", Key="0", Body=b"0")


def whole(document):
    """As it is. Most of what it allows names an account, which this configuration does not take, or no bucket that there is."""
    return document


def page_token():
    body = json.dumps({"bucket": "files"}).encode()
    headers = {**KEY, "content-type": "application/json"}
    request = urllib.request.Request(f"{API}/api/v1/upload/uppy-token", body, headers)
    return json.load(urllib.request.urlopen(request))["token"]


def about_the_bucket(document):
    """The same for one who knows the bucket, has a page's token and brings no account: so the operations themselves are
    reached."""
    known = {"bucket": "files", "token": page_token()}
    for operation in [operation for path in document["paths"].values() for operation in path.values()]:
        for parameter in operation.get("parameters", []):
            if parameter.get("name") in known:
                parameter["schema"] = {"type": "string", "enum": [known[parameter["name"]]]}
    document["components"]["parameters"]["provider"]["schema"] = {"type": "string", "enum": ["files"]}
    document["components"]["schemas"]["Account"]["properties"] = {"bucket": {"type": "string", "enum": ["files"]}}
    return document


def events(document):
    """What a provider tells, which has a token of its own."""
    document = about_the_bucket(document)
    return {**document, "paths": {path: item for path, item in document["paths"].items() if "/events/" in path}}


def schemathesis(folder, narrow, examples):
    document, config = Path(folder, "openapi.json"), Path(folder, "schemathesis.toml")
    document.write_text(json.dumps(narrow(json.load(urllib.request.urlopen(f"{API}/openapi.json")))))
    # Not TRACE: that is 501 wherever it is sent, as HTTP wants it of a server that serves it nowhere.
    config.write_text('[phases.coverage]\nunexpected-methods = ["get", "put", "patch", "delete", "options"]\n')
    command = [str(Path(sys.executable).parent / "schemathesis"), "--config-file", str(config), "run", str(document)]
    headers = EVENTS if narrow is events else KEY
    command += ["--url", API, "--checks", ",".join(CHECKS)]
    command += [part for name, value in headers.items() for part in ("--header", f"{name}: {value}")]
    command += ["--phases", "examples,coverage,fuzzing", "--max-examples", str(examples), "--seed", "1"]
    command += ["--continue-on-failure", "--request-timeout", "60", "--suppress-health-check", "all"]
    # It leaves a folder with what it has learned where it runs.
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=TIMEOUT_SECONDS)
    print(run.stdout[-6000:])
    equal(run.returncode, 0)


with tempfile.TemporaryDirectory() as folder:
    make_bucket()
    wharf = start(folder)
    try:
        for narrow, examples in ((about_the_bucket, EXAMPLES), (events, EXAMPLES), (whole, EXAMPLES // 4)):
            name = narrow.__name__.replace("_", " ")
            with check(f"openapi: schemathesis, {name}: no 5xx, and no reply that is not described"):
                schemathesis(folder, narrow, examples)
        with check("openapi: Wharf still serves afterwards"):
            equal(urllib.request.urlopen(f"{API}/docs").status, 200)
    finally:
        wharf.terminate()
        wharf.wait(10)

finish()
