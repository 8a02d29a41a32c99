#!/usr/bin/env python3
"""Generates what Wharf knows of AWS's hosts from AWS's own data, as botocore's source distribution carries it.

    plugins/s3/regions.rs                 the partitions and their regions
    plugins/tests/data/s3-endpoints.json  AWS's own endpoint tests, cut down to what decides them

Usage: scripts/generate_s3_data.py [--check] [SDIST]

SDIST is botocore-VERSION.tar.gz; without it pip downloads it. With --check nothing is written, and the exit status
says whether the files are what would be written.
"""

import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

VERSION = "1.44.5"
ROOT = Path(__file__).resolve().parent.parent
REGIONS = ROOT / "plugins/s3/regions.rs"
TESTS = ROOT / "plugins/tests/data/s3-endpoints.json"

# Two facts that partitions.json does not hold for S3: its endpoint rules refuse FIPS in `aws-cn` and know
# transfer acceleration in `aws` alone. The endpoint tests prove both.
NO_FIPS = {"aws-cn"}
ACCELERATE = {"aws"}


def main():
    arguments = [argument for argument in sys.argv[1:] if argument != "--check"]
    with tempfile.TemporaryDirectory() as scratch:
        sdist = Path(arguments[0]) if arguments else download(scratch)
        partitions = read(sdist, "botocore/data/partitions.json")
        tests = read(sdist, "tests/functional/endpoint-rules/s3/endpoint-tests-1.json")
    outputs = {REGIONS: regions_source(partitions), TESTS: tests_source(tests)}
    if "--check" in sys.argv:
        stale = [path for path, text in outputs.items() if not path.exists() or path.read_text() != text]
        for path in stale:
            print(f"{path.relative_to(ROOT)} differs from what botocore {VERSION} gives")
        sys.exit(1 if stale else 0)
    for path, text in outputs.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def download(scratch):
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"]
    subprocess.run([*command, "--dest", scratch, f"botocore=={VERSION}"], check=True)
    return Path(scratch) / f"botocore-{VERSION}.tar.gz"


def read(sdist, name):
    with tarfile.open(sdist) as archive:
        return json.load(archive.extractfile(f"botocore-{VERSION}/{name}"))


def regions_source(document):
    """Pseudo-regions (`aws-global` and its kin) are left out: they name no place that has a host."""
    partitions = [
        (one, sorted(name for name in one["regions"] if not name.endswith("-global")))
        for one in document["partitions"]
    ]
    lines = [
        "//! AWS's partitions and their regions.",
        "//!",
        f"//! Generated from botocore {VERSION} by `scripts/generate_s3_data.py`; do not edit.",
        "",
        "use wharf_provider::Partition;",
        "",
        "/// Every region, in the order of the partitions.",
        "pub(super) const REGIONS: &[&str] = &[",
        *(f'    "{name}",' for _, names in partitions for name in names),
        "];",
        "",
        "/// The partitions.",
        "pub(super) const PARTITIONS: &[Partition] = &[",
    ]
    for one, names in partitions:
        lines += [
            "    Partition {",
            f'        id: "{one["id"]}",',
            f'        dns_suffix: "{one["outputs"]["dnsSuffix"]}",',
            *region_list(names),
            f"        fips: {str(one['id'] not in NO_FIPS).lower()},",
            f"        accelerate: {str(one['id'] in ACCELERATE).lower()},",
            "    },",
        ]
    return "\n".join([*lines, "];", ""])


def region_list(names):
    """As rustfmt writes it: on one line where that is short enough."""
    one_line = "        regions: &[" + ", ".join(f'"{name}"' for name in names) + "],"
    if len(one_line) <= 110:
        return [one_line]
    return ["        regions: &[", *(f'            "{name}",' for name in names), "        ],"]


def tests_source(document):
    """One case a line: its place in AWS's file, its parameters that are not off, and what AWS's rules answer."""
    cases = []
    for index, case in enumerate(document["testCases"]):
        on = {name: value for name, value in case["params"].items() if value is not False}
        cases.append(json.dumps({"index": index, "params": on, **expectation(case["expect"])}))
    return "[\n" + ",\n".join(cases) + "\n]\n"


def expectation(expect):
    if "error" in expect:
        return {"error": expect["error"]}
    schemes = expect["endpoint"].get("properties", {}).get("authSchemes", [])
    regions = [scheme["signingRegion"] for scheme in schemes if "signingRegion" in scheme]
    return {"url": expect["endpoint"]["url"], "signing_region": regions[0] if regions else None}


if __name__ == "__main__":
    main()
