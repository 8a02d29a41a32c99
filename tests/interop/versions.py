"""Versions through the upload API, of a bucket that keeps them: what `versions` lists, and what `versionId` reaches."""

import requests
from prepare import make_bucket, seaweedfs
from report import check, equal, finish, setting

API = setting("INTEROP_API")
TIMEOUT_SECONDS = 60
BUCKET = "seaweedfs-versions"
STORE_BUCKET = "versions"
PREFIX = "a b+c/"
KEY = "folder/ü & \"x\" (1).txt"


def ask(operation, status=200, **body):
    """One request to the upload API with configured credentials."""
    reply = requests.post(
        f"{API}/api/v1/upload/{BUCKET}/{operation}",
        json=body,
        headers={"x-api-key": setting("INTEROP_KEY")},
        timeout=TIMEOUT_SECONDS,
    )
    equal((reply.status_code, reply.text if reply.status_code != status else ""), (status, ""))
    return reply.json()


def downloaded(**named):
    reply = requests.get(ask("download-url", key=KEY, **named)["downloadUrl"], timeout=TIMEOUT_SECONDS)
    return reply.status_code, reply.text if reply.status_code == 200 else ""


def main():
    store = seaweedfs()
    make_bucket(store, STORE_BUCKET)
    store.put_bucket_versioning(Bucket=STORE_BUCKET, VersioningConfiguration={"Status": "Enabled"})
    # What an earlier run has left.
    for page in store.get_paginator("list_object_versions").paginate(Bucket=STORE_BUCKET):
        for old in page.get("Versions", []) + page.get("DeleteMarkers", []):
            store.delete_object(Bucket=STORE_BUCKET, Key=old["Key"], VersionId=old["VersionId"])
    put = [store.put_object(Bucket=STORE_BUCKET, Key=PREFIX + KEY, Body=body)["VersionId"] for body in ("one", "two", "three")]
    store.put_object(Bucket=STORE_BUCKET, Key="elsewhere", Body="not below the prefix")

    with check("versions: all of a key are listed, the newest first, in the caller's names"):
        listed = ask("versions")
        equal([(v["key"], v["versionId"], v["isLatest"]) for v in listed["versions"]],
              [(KEY, put[2], True), (KEY, put[1], False), (KEY, put[0], False)])
        equal((listed["deleteMarkers"], listed["isTruncated"]), ([], False))
        equal([version["size"] for version in listed["versions"]], [5, 3, 3])

    with check("versions: page by page they are the same"):
        found, markers = [], {}
        while True:
            page = ask("versions", maxKeys=1, prefix="folder/", **markers)
            found += [version["versionId"] for version in page["versions"]]
            if not page["isTruncated"]:
                break
            markers = {"keyMarker": page["nextKeyMarker"], "versionIdMarker": page["nextVersionIdMarker"]}
        equal(found, put[::-1])

    with check("versions: versionId reads and describes an older one"):
        equal([downloaded(versionId=version) for version in put], [(200, "one"), (200, "two"), (200, "three")])
        equal(downloaded(), (200, "three"))
        described = ask("metadata", key=KEY, versionId=put[0])["metadata"]
        equal((described["size"], described["versionId"]), (3, put[0]))

    with check("versions: a delete leaves a marker, and deleting that brings the object back"):
        deleted = ask("delete", key=KEY)
        equal(deleted["deleteMarker"], True)
        equal(downloaded()[0], 404)
        listed = ask("versions")
        equal([(m["key"], m["versionId"], m["isLatest"]) for m in listed["deleteMarkers"]],
              [(KEY, deleted["versionId"], True)])
        equal([version["isLatest"] for version in listed["versions"]], [False] * 3)
        ask("delete", key=KEY, versionId=deleted["versionId"])
        equal(downloaded(), (200, "three"))

    with check("versions: one that is deleted by its id is gone, and the others are not"):
        ask("delete", key=KEY, versionId=put[2])
        equal(downloaded(), (200, "two"))
        equal(downloaded(versionId=put[2])[0], 404)
        equal([version["versionId"] for version in ask("versions")["versions"]], [put[1], put[0]])

    finish()


if __name__ == "__main__":
    main()
