#!/usr/bin/env python3
"""Holds Wharf's presigned URLs against botocore's, for random inputs over all providers.

botocore decides independently where an object is (its own endpoint rules for Amazon S3, the vendors' documented hosts
for the others) and what the signature is. The signatures must be the same bytes, and so must scheme, host and path; the
query must hold the same parameters, in whatever order.

Usage: tests/interop/presign_botocore.py [--cases 10000] [--seed 1]     (needs botocore and cargo)
"""

import argparse
import collections
import json
import random
import string
import subprocess
import sys
import time
from functools import lru_cache
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import botocore
import botocore.session
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

ROOT = Path(__file__).resolve().parent.parent.parent
HELPER = ["cargo", "run", "--quiet", "-p", "wharf-plugins", "--example", "presign_lines"]

AWS_REGIONS = ["us-east-1", "us-west-2", "eu-west-1", "eu-central-2", "ap-southeast-7", "af-south-1", "mx-central-1",
               "cn-north-1", "cn-northwest-1", "us-gov-west-1", "us-iso-east-1", "aws-global"]
WASABI_REGIONS = ["us-east-1", "us-west-2", "eu-central-1", "eu-south-1", "ap-northeast-2", "ap-southeast-2"]
B2_REGIONS = ["us-west-004", "us-east-005", "eu-central-003", "ca-east-006"]
CUSTOM_ENDPOINTS = ["http://127.0.0.1:9000", "https://store.example.com", "http://store.example.com:8080",
                    "https://10.1.2.3", "http://minio", "https://gate.example.com:443", "https://store.example.com/s3/v1"]
STORAGE_CLASSES = {
    "s3": ["STANDARD", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR", "GLACIER", "DEEP_ARCHIVE",
           "REDUCED_REDUNDANCY"],
    "r2": ["STANDARD", "STANDARD_IA"],
    "minio": ["STANDARD", "REDUCED_REDUNDANCY"],
    "wasabi": ["STANDARD"],
    "b2": ["STANDARD"],
}
HAS_KMS = {"s3", "minio"}
SSE_S3_NEEDS_A_HEADER = {"minio", "b2"}
ODD_KEYS = ["a//b", "/leading", "trailing/", "a/./b", "a/../b", "..", ".", "a b", "a+b", "a%2Fb", "%", "~tilde_-.",
            "a&b=c?d#e", "quote'\"<>", "日本語/résumé.pdf", "😀", "\\back", "semi;colon", "at@x:y", "$!*()", "\t\n", "\x7f",
            "e\u0301", "\u200b", "a" * 1024]


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--cases", type=int, default=10_000)
    arguments.add_argument("--seed", type=int, default=1)
    options = arguments.parse_args()
    pick = random.Random(options.seed)
    cases = [random_case(pick) for _ in range(options.cases)]
    answers = presigned_by_wharf(cases)
    began = time.monotonic()
    differences = []
    counts = collections.Counter()
    for case, answer in zip(cases, answers, strict=True):
        difference = compare(answer, *presigned_by_botocore(case))
        counts[case["provider"]] += 1
        if difference:
            differences.append((case, difference))
    for case, difference in differences[:10]:
        print(json.dumps(case), difference, sep="\n", end="\n\n", file=sys.stderr)
    shares = ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
    print(f"botocore {botocore.__version__}, seed {options.seed}: {len(cases)} cases ({shares}), "
          f"{len(differences)} differ, {time.monotonic() - began:.0f} s")
    sys.exit(1 if differences else 0)


def random_case(pick):
    provider = pick.choice(list(STORAGE_CLASSES))
    case = {
        "provider": provider,
        "account": {**random_credentials(pick), **random_place(pick, provider)},
        "bucket": random_bucket(pick),
        "key": random_key(pick),
        "expires_seconds": pick.choice([1, 60, 3600, 604_800, pick.randint(1, 604_800)]),
        "unix_millis": pick.randint(1_000_000_000_000, 4_000_000_000_000),
        "put": None,
        "get": None,
    }
    if "accelerate" in case["account"]["switches"]:
        case["bucket"] = case["bucket"].replace(".", "-")
    # botocore puts a bucket with dots in front of an IP address, where nothing can resolve it; Wharf does not.
    if urlsplit(case["account"].get("endpoint", "")).hostname in ("127.0.0.1", "10.1.2.3"):
        case["bucket"] = case["bucket"].replace(".", "-")
    if pick.random() < 0.6:
        case["put"] = random_put(pick, provider)
    else:
        case["get"] = {
            "version_id": maybe(pick, lambda: random_text(pick)),
            "response_content_type": maybe(pick, lambda: pick.choice(["text/plain; charset=utf-8", "image/png"])),
            "response_content_disposition": maybe(pick, lambda: f'attachment; filename="{random_text(pick)}"'),
        }
    return case


def random_credentials(pick):
    letters = string.ascii_letters + string.digits + "+/"
    return {
        "access_key_id": "".join(pick.choices(string.ascii_uppercase + string.digits, k=pick.randint(16, 40))),
        "secret_access_key": "".join(pick.choices(letters, k=pick.randint(32, 64))),
        "session_token": maybe(pick, lambda: "".join(pick.choices(letters + "=", k=pick.randint(20, 400)))),
    }


def random_place(pick, provider):
    place = {"path_style": pick.choice([None, True, False]), "switches": []}
    if provider == "minio" or pick.random() < 0.1:
        return {**place, "endpoint": pick.choice(CUSTOM_ENDPOINTS),
                "region": pick.choice(["us-east-1", "auto", "home-1"])}
    if provider == "s3":
        place["region"] = pick.choice(AWS_REGIONS)
        if pick.random() < 0.2:
            place["switches"].append("dualstack")
        if pick.random() < 0.2 and not place["region"].startswith("cn-"):
            place["switches"].append("fips")
        elif pick.random() < 0.2 and place["region"] in AWS_REGIONS[:7] and not place["path_style"]:
            place["switches"].append("accelerate")
    elif provider == "r2":
        place["account_id"] = pick.choice("05af") * 32
        place["jurisdiction"] = pick.choice([None, None, "eu", "us", "fedramp"])
        place["region"] = pick.choice([None, "auto", "us-east-1"])
    else:
        place["region"] = pick.choice(WASABI_REGIONS if provider == "wasabi" else B2_REGIONS)
    return place


def random_put(pick, provider):
    kms = provider in HAS_KMS and pick.random() < 0.2
    names = ["".join(pick.choices(string.ascii_lowercase + string.digits + "-_.", k=pick.randint(1, 20)))
             for _ in range(pick.choice([0, 0, 1, 3]))]
    return {
        "storage_class": maybe(pick, lambda: pick.choice(STORAGE_CLASSES[provider])),
        "kms_key_id": pick.choice(["", "alias/photos", "arn:aws:kms:eu-west-1:1:key/1-2"]) if kms else None,
        "sse_s3": not kms and pick.random() < 0.3,
        "metadata": [[name, random_text(pick)] for name in sorted(set(names))],
    }


def random_bucket(pick):
    inner = "".join(pick.choices(string.ascii_lowercase + string.digits + "-", k=pick.randint(1, 40)))
    dotted = ".b" if pick.random() < 0.15 else ""
    return f"{pick.choice('abc0')}{inner}{dotted}{pick.choice('xyz9')}"


def random_key(pick):
    if pick.random() < 0.3:
        return pick.choice(ODD_KEYS)
    return "/".join(random_text(pick) for _ in range(pick.randint(1, 4)))


def random_text(pick):
    alphabet = string.printable[:95] + "éßñ日本語ü€😀"
    return "".join(pick.choices(alphabet, k=pick.randint(1, 30)))


def maybe(pick, make):
    return make() if pick.random() < 0.4 else None


def presigned_by_wharf(cases):
    lines = "".join(json.dumps(case) + "\n" for case in cases)
    done = subprocess.run(HELPER, cwd=ROOT, input=lines, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    return [json.loads(line) for line in done.stdout.splitlines()]


def presigned_by_botocore(case):
    """The URL, and the headers that its holder must send."""
    account = case["account"]
    params, headers = parameters(case)
    request = AWSRequest(method="PUT" if case["put"] else "GET", url=address(case), params=params, headers=headers)
    now = time.gmtime(case["unix_millis"] // 1000)
    request.context["timestamp"] = time.strftime("%Y%m%dT%H%M%SZ", now)
    credentials = Credentials(account["access_key_id"], account["secret_access_key"], account["session_token"])
    region = account.get("region") or "auto"
    signer = S3SigV4QueryAuth(credentials, "s3", "us-east-1" if region == "aws-global" else region,
                              case["expires_seconds"])
    # What `add_auth` does, but for the clock that it reads.
    signer._modify_request_before_signing(request)
    text = signer.string_to_sign(request, signer.canonical_request(request))
    signer._inject_signature_to_request(request, signer.signature(text, request))
    return request.url, headers


def parameters(case):
    if case["get"]:
        names = {"version_id": "versionId", "response_content_type": "response-content-type",
                 "response_content_disposition": "response-content-disposition"}
        return {names[name]: value for name, value in case["get"].items() if value is not None}, {}
    put = case["put"]
    params = {f"x-amz-meta-{name}": value for name, value in put["metadata"]}
    if put["storage_class"]:
        params["x-amz-storage-class"] = put["storage_class"]
    headers = {}
    if put["kms_key_id"] is not None:
        headers["x-amz-server-side-encryption"] = "aws:kms"
        if put["kms_key_id"]:
            headers["x-amz-server-side-encryption-aws-kms-key-id"] = put["kms_key_id"]
    elif put["sse_s3"] and case["provider"] in SSE_S3_NEEDS_A_HEADER:
        headers["x-amz-server-side-encryption"] = "AES256"
    return params, headers


def address(case):
    """Where botocore's client would send the request: scheme, host and encoded path."""
    account = case["account"]
    path_style = account["path_style"]
    if path_style is None:
        path_style = case["provider"] != "s3"
    made = client(account.get("region") or "auto", endpoint(case), path_style, tuple(account["switches"]))
    url = made.generate_presigned_url("get_object", Params={"Bucket": case["bucket"], "Key": case["key"]})
    return url.split("?", 1)[0]


def endpoint(case):
    account = case["account"]
    if "endpoint" in account:
        return account["endpoint"]
    if case["provider"] == "r2":
        jurisdiction = f".{account['jurisdiction']}" if account["jurisdiction"] else ""
        return f"https://{account['account_id']}{jurisdiction}.r2.cloudflarestorage.com"
    suffixes = {"wasabi": "wasabisys.com", "b2": "backblazeb2.com"}
    suffix = suffixes.get(case["provider"])
    return suffix and f"https://s3.{account['region']}.{suffix}"


@lru_cache(maxsize=None)
def client(region, endpoint_url, path_style, switches):
    config = Config(
        signature_version="s3v4",
        s3={"addressing_style": "path" if path_style else "virtual",
            "use_accelerate_endpoint": "accelerate" in switches, "us_east_1_regional_endpoint": "regional"},
        use_dualstack_endpoint="dualstack" in switches,
        use_fips_endpoint="fips" in switches,
    )
    return session().create_client("s3", region_name=region, endpoint_url=endpoint_url, config=config,
                                 aws_access_key_id="A", aws_secret_access_key="s")


@lru_cache
def session():
    return botocore.session.Session()


def compare(answer, url, headers):
    if "error" in answer:
        return f"refused: {answer['error']}"
    if dict(answer["required_headers"]) != headers:
        return f"headers {answer['required_headers']} in place of {headers}"
    # Both sign the host alone where the port is the scheme's own; botocore leaves the port in the URL.
    ours, theirs = urlsplit(answer["url"]), urlsplit(url.replace(".example.com:443/", ".example.com/", 1))
    if (ours.scheme, ours.netloc, ours.path) != (theirs.scheme, theirs.netloc, theirs.path):
        return f"{ours.geturl()}\nin place of\n{theirs.geturl()}"
    our_query, their_query = (sorted(parse_qsl(one.query, keep_blank_values=True)) for one in (ours, theirs))
    if our_query != their_query:
        return f"{our_query}\nin place of\n{their_query}"
    return None


if __name__ == "__main__":
    main()
