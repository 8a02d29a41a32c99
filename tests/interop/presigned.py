"""Presigned URLs that Wharf makes, used by plain HTTP clients against two vendors' stores; and changed in every way that
a store must notice."""

import base64
import json
import subprocess
import tempfile
import time
import uuid
from hashlib import md5

import requests
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.httpsession import URLLib3Session

from prepare import client, rclone, seaweedfs
from report import check, equal, finish, setting

BODY = bytes(range(256)) * 40
API = setting("INTEROP_API")
TIMEOUT_SECONDS = 30

# The name of the bucket in Wharf's configuration, an independent client of its store, and what it is called there.
STORES = {"SeaweedFS": ("seaweedfs-files", seaweedfs()), "rclone": ("rclone-files", rclone())}
STORE_BUCKET = "interop"


def ask(route, bucket, **body):
    """One request to the upload API with configured credentials."""
    reply = requests.post(
        f"{API}/api/v1/upload/{route.format(bucket=bucket)}",
        json=body,
        headers={"x-api-key": setting("INTEROP_KEY")},
        timeout=TIMEOUT_SECONDS,
    )
    equal((reply.status_code, reply.json().get("error")), (200, None))
    return reply.json()


def upload_url(bucket, filename="plain file.bin", content_type="application/octet-stream", **more):
    return ask("{bucket}/signed-url", bucket, filename=filename, contentType=content_type, **more)


def download_url(bucket, key):
    return ask("download/{bucket}/signed-url", bucket, key=key)["downloadUrl"]


def curl(*arguments):
    """curl as a person would type it: what it prints is the status."""
    command = ["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=TIMEOUT_SECONDS).stdout


def put(url, body=BODY, **more):
    return requests.put(url, data=body, timeout=TIMEOUT_SECONDS, **more).status_code


def refused(status):
    """S3 says 403; rclone says 400 to what is expired."""
    assert status in (400, 403), f"the store answered with {status}"


def stored(store, key):
    """The object, read by a client that has never met Wharf."""
    return store.get_object(Bucket=STORE_BUCKET, Key=key)


def is_absent(store, key):
    return key not in {entry["Key"] for entry in store.list_objects_v2(Bucket=STORE_BUCKET).get("Contents", [])}


def key_of(url):
    """The object's key as the store sees it, in a path-style URL."""
    return requests.utils.unquote(url.split("?")[0].split("/", 4)[4])


def with_query(url, name, value):
    """The same URL, with one parameter changed."""
    path, query = url.split("?")
    changed = [f"{name}={value}" if pair.startswith(f"{name}=") else pair for pair in query.split("&")]
    assert changed != query.split("&"), f"{name} is not in {query}"
    return f"{path}?{'&'.join(changed)}"


def check_clients(vendor, bucket, store):
    with check(f"{vendor}: curl -T stores what it was given"):
        signed = upload_url(bucket, filename="from curl.bin")
        with tempfile.NamedTemporaryFile() as file:
            file.write(BODY)
            file.flush()
            equal(curl("-T", file.name, signed["uploadUrl"]), "200")
        equal(stored(store, key_of(signed["uploadUrl"]))["Body"].read(), BODY)

    with check(f"{vendor}: boto3's HTTP client stores what it was given"):
        signed = upload_url(bucket, filename="from boto3.bin")
        request = AWSRequest("PUT", signed["uploadUrl"], headers={"Content-Type": "application/octet-stream"}, data=BODY)
        answer = URLLib3Session().send(request.prepare())
        equal(answer.status_code, 200)
        equal(answer.headers["ETag"].strip('"'), md5(BODY).hexdigest())
        equal(stored(store, key_of(signed["uploadUrl"]))["Body"].read(), BODY)

    names = ["ünïcödé 日本.txt", "a+b.txt", "per%20cent.txt", "semi;colon,&=.txt", "~tilde'quote.txt"]
    for name in names:
        with check(f"{vendor}: requests uploads {name}, and the signed download has the same bytes"):
            signed = upload_url(bucket, filename=name, content_type="text/plain")
            equal(put(signed["uploadUrl"], headers={"Content-Type": "text/plain"}), 200)
            answer = requests.get(download_url(bucket, signed["key"]), timeout=TIMEOUT_SECONDS)
            equal((answer.status_code, answer.content), (200, BODY))

    with check(f"{vendor}: an empty file"):
        signed = upload_url(bucket, filename="empty")
        equal(put(signed["uploadUrl"], b""), 200)
        equal(requests.get(download_url(bucket, signed["key"]), timeout=TIMEOUT_SECONDS).content, b"")


def check_refusals(vendor, bucket, store):
    signed = upload_url(bucket, filename="never stored.bin", expiresIn=60)
    url, key = signed["uploadUrl"], key_of(signed["uploadUrl"])
    other_key = url.replace("never", "other", 1)
    attempts = {
        "another key": (other_key, {}),
        "a longer life": (with_query(url, "X-Amz-Expires", "600"), {}),
        "a later date": (with_query(url, "X-Amz-Date", "20300101T000000Z"), {}),
        "another signature": (with_query(url, "X-Amz-Signature", "0" * 64), {}),
        "another list of signed headers": (with_query(url, "X-Amz-SignedHeaders", "host%3Bx-amz-acl"), {}),
        "another host (a signed header)": (url, {"Host": "elsewhere.example"}),
        "an added parameter": (f"{url}&x-amz-meta-added=1", {}),
    }
    for what, (changed, headers) in attempts.items():
        with check(f"{vendor}: an upload URL with {what} is refused"):
            refused(put(changed, headers=headers))
    with check(f"{vendor}: an upload URL used to read or delete is refused"):
        refused(requests.get(url, timeout=TIMEOUT_SECONDS).status_code)
        refused(requests.delete(url, timeout=TIMEOUT_SECONDS).status_code)
    with check(f"{vendor}: none of these attempts stored anything"):
        equal((is_absent(store, key), is_absent(store, key_of(other_key))), (True, True))


def check_expiry(vendor, bucket, store):
    key = f"expired-{uuid.uuid4()}"
    with check(f"{vendor}: an expired URL is refused, and the same URL in time is not"):
        command = [setting("WHARF"), "--config", setting("INTEROP_TOML"), "presign", "put", bucket]
        run = lambda *more: subprocess.run([*command, *more], check=True, capture_output=True, text=True).stdout.strip()
        expired, alive = run(key, "--expires", "1s"), run(f"{key}-alive", "--expires", "60s")
        time.sleep(2.5)
        refused(put(expired))
        equal(put(alive), 200)
        equal(is_absent(store, key_of(expired)), True)


def post_form(form, body=BODY, **changed):
    """As a browser posts it: the fields in their order, and the file behind them."""
    fields = {**form["fields"], **changed}
    reply = requests.post(form["url"], data=fields, files={"file": ("a.bin", body)}, timeout=TIMEOUT_SECONDS)
    return reply.status_code


def check_forms(vendor, bucket, store):
    form = ask("{bucket}/form", bucket, filename="form ü.bin", contentType="text/plain", fileSize=len(BODY))
    prefix = "shared/" if bucket == "seaweedfs-files" else ""
    with check(f"{vendor}: a form that was changed is refused, and stores nothing"):
        for status in (
            post_form(form, BODY + b"x"),
            post_form(form, key=prefix + "elsewhere"),
            post_form(form, **{"content-type": "text/html"}),
            post_form(form, **{"x-amz-signature": "0" * 64}),
        ):
            refused(status)
        equal(is_absent(store, prefix + form["key"]), True)
        equal(is_absent(store, prefix + "elsewhere"), True)
    with check(f"{vendor}: a form stores the file that it was signed for"):
        equal(post_form(form), 201)
        equal(stored(store, prefix + form["key"])["Body"].read(), BODY)


def conditions_of(fields):
    """What a policy says, however it is written; but for the moment of signing."""
    document = json.loads(base64.b64decode(fields["policy"]))
    conditions = []
    for one in document["conditions"]:
        conditions += [["eq", "$" + name, value] for name, value in one.items()] if isinstance(one, dict) else [one]
    return sorted(str(one) for one in conditions if "$x-amz-date" not in one)


def check_forms_of_botocore():
    """Both sign for the same store, so that only the times differ."""
    store = seaweedfs()
    ours = ask("{bucket}/form", "seaweedfs-whole", filename="a.bin", contentType="text/plain", fileSize=9)
    fields = ours["fields"]
    with check("boto3: it signs Wharf's policy as Wharf does"):
        request = AWSRequest()
        request.context["timestamp"] = fields["x-amz-date"]
        credentials = Credentials(setting("AWS_ACCESS_KEY_ID"), setting("AWS_SECRET_ACCESS_KEY"))
        signature = SigV4Auth(credentials, "s3", "us-east-1").signature(fields["policy"], request)
        equal(signature, fields["x-amz-signature"])
    with check("boto3: its form for the same file has the same fields and conditions"):
        given = {name: fields[name] for name in ("content-type", "success_action_status")}
        conditions = [*({name: value} for name, value in given.items()), ["content-length-range", 9, 9]]
        theirs = store.generate_presigned_post(STORE_BUCKET, ours["key"], given, conditions, 3600)
        equal(set(theirs["fields"]), set(fields))
        equal(theirs["url"], ours["url"])
        equal(conditions_of(theirs["fields"]), conditions_of(fields))
    with check("boto3: Wharf's S3 endpoint takes the forms that it signs"):
        client_of_wharf = client(setting("INTEROP_S3"), setting("INTEROP_S3_KEY"), setting("INTEROP_S3_SECRET"))
        form = client_of_wharf.generate_presigned_post("seaweedfs-whole", "boto3/${filename}")
        equal(post_form(form), 204)
        equal(stored(store, "boto3/a.bin")["Body"].read(), BODY)


def check_signed_headers():
    with check("SeaweedFS: a URL for SSE-KMS names the headers to send, and works with them"):
        signed = upload_url("encrypted", filename="encrypted.bin")
        required = signed["requiredHeaders"]
        equal(required["x-amz-server-side-encryption"], "aws:kms")
        equal(put(signed["uploadUrl"], headers=required), 200)
        kept = stored(seaweedfs(), key_of(signed["uploadUrl"]))
        equal((kept["ServerSideEncryption"], kept["Body"].read()), ("aws:kms", BODY))

    with check("SeaweedFS: a signed header that is missing or changed is refused"):
        signed = upload_url("encrypted", filename="encrypted.bin")
        required = signed["requiredHeaders"]
        refused(put(signed["uploadUrl"]))
        refused(put(signed["uploadUrl"], headers=required | {"x-amz-server-side-encryption": "AES256"}))


for vendor, (bucket, store) in STORES.items():
    check_clients(vendor, bucket, store)
    check_refusals(vendor, bucket, store)
    check_expiry(vendor, bucket, store)
    check_forms(vendor, bucket, store)
check_forms_of_botocore()
check_signed_headers()
finish()
