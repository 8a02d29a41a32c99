"""Writes vectors.json and cookies.json: CloudFront signed URLs and cookies made by botocore's CloudFrontSigner and
pyca/cryptography.

    pip install botocore cryptography && python make_vectors.py

The keys beside this file were made for these tests with `openssl genrsa` and `openssl ecparam -name prime256v1`; they
open nothing. All four signatures are deterministic, so the vectors are exact: PKCS#1 v1.5 is by itself, ECDSA through
RFC 6979. For ECDSA with SHA-1 the nonce comes from HMAC-SHA-256 over the digest padded to the curve's size.
"""

import hashlib
import json
import pathlib
from datetime import datetime, timezone
from urllib.parse import quote

from botocore.signers import CloudFrontSigner
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, utils

HERE = pathlib.Path(__file__).parent
KEY_PAIR_ID = "K2JCJMDEHXQW5F"
EXPIRES_AT = 1_893_456_000
STARTS_AT = 1_893_369_600

KEYS = [
    "image.jpg",
    "holiday photos/süd +1*?.jpg",
    "写真/🌊 \"quoted\" \\ back.png",
    "/leading//double/%2F%41&=#;,:@!$'()",
]
QUERIES = [
    [],
    [["versionId", "3/L4kqtJ+rmSpXd3"], ["response-content-disposition", 'attachment; filename="ü.txt"']],
]
POLICIES = [
    {},
    {"source_ip": "192.0.2.0/24"},
    {"source_ip": "192.0.2.10/32", "starts_at": STARTS_AT},
    {"starts_at": STARTS_AT},
]


def load(name):
    return serialization.load_pem_private_key((HERE / name).read_bytes(), None)


RSA, ECDSA = load("rsa.pkcs8.pem"), load("ecdsa.pkcs8.pem")


def sign_ecdsa_sha1(message):
    padded = bytes(12) + hashlib.sha1(message).digest()
    return ECDSA.sign(padded, ec.ECDSA(utils.Prehashed(hashes.SHA256()), deterministic_signing=True))


SIGNERS = {
    ("rsa", "sha1"): lambda message: RSA.sign(message, padding.PKCS1v15(), hashes.SHA1()),
    ("rsa", "sha256"): lambda message: RSA.sign(message, padding.PKCS1v15(), hashes.SHA256()),
    ("ecdsa", "sha1"): sign_ecdsa_sha1,
    ("ecdsa", "sha256"): lambda message: ECDSA.sign(message, ec.ECDSA(hashes.SHA256(), deterministic_signing=True)),
}


def address(key, query):
    url = "https://cdn.eu.example.co.uk/" + quote(key, safe="/-._~")
    pairs = "&".join(f"{quote(name, safe='-._~')}={quote(value, safe='-._~')}" for name, value in query)
    return f"{url}?{pairs}" if pairs else url


def moment(seconds):
    return None if seconds is None else datetime.fromtimestamp(seconds, timezone.utc)


def vector(key, query, policy, kind, digest):
    signer = CloudFrontSigner(KEY_PAIR_ID, SIGNERS[kind, digest])
    url = address(key, query)
    if policy:
        document = signer.build_policy(
            url, moment(EXPIRES_AT), moment(policy.get("starts_at")), policy.get("source_ip")
        )
        signed = signer.generate_presigned_url(url, policy=document)
    else:
        signed = signer.generate_presigned_url(url, date_less_than=moment(EXPIRES_AT))
    if digest == "sha256":
        signed += "&Hash-Algorithm=SHA256"
    return {"key": key, "query": query, "policy": policy, "private_key": kind, "hash": digest, "url": signed}


def cookies(prefix, key, policy, kind, digest):
    """A cookie has the same policy and signature as a URL for the same resource has in its query."""
    signer = CloudFrontSigner(KEY_PAIR_ID, SIGNERS[kind, digest])
    resource = address(key, []) if prefix is None else address(prefix, []) + "*"
    if prefix is None and not policy:
        signed = signer.generate_presigned_url(resource, date_less_than=moment(EXPIRES_AT))
    else:
        document = signer.build_policy(
            resource, moment(EXPIRES_AT), moment(policy.get("starts_at")), policy.get("source_ip")
        )
        signed = signer.generate_presigned_url(resource, policy=document)
    pairs = [pair.split("=", 1) for pair in signed[len(resource) + 1 :].split("&")]
    pairs = [[f"CloudFront-{name}", value] for name, value in pairs]
    if digest == "sha256":
        pairs.append(["CloudFront-Hash-Algorithm", "SHA256"])
    return {"prefix": prefix, "key": key, "policy": policy, "private_key": kind, "hash": digest, "cookies": pairs}


vectors = [
    vector(key, query, policy, kind, digest)
    for key in KEYS
    for query in QUERIES
    for policy in POLICIES
    for kind, digest in SIGNERS
]
(HERE / "vectors.json").write_text(json.dumps(vectors, ensure_ascii=False, indent=1) + "\n")
print(len(vectors), "vectors")

cookie_vectors = [
    cookies(prefix, key, policy, kind, digest)
    for prefix, key in [("films/süd */", None), ("", None), (None, KEYS[1])]
    for policy in POLICIES
    for kind, digest in SIGNERS
]
(HERE / "cookies.json").write_text(json.dumps(cookie_vectors, ensure_ascii=False, indent=1) + "\n")
print(len(cookie_vectors), "sets of cookies")
