#!/usr/bin/env bash
# Proves three promises of ARCHITECTURE.md and says what it looked at:
#
#   1. wire, provider and plugins do no IO: no HTTP, TLS or socket crate is in their trees, and no arrow points back.
#   2. What differs between providers is in plugins/: no other code names one. Tests may (`tests/`, a module that is
#      declared under `#[cfg(test)]`, and what stands below such a line at a file's end), and so may benches,
#      documentation and config.toml, which are not code of the gateway. S3 is the protocol: anything may name it.
#   3. The configuration knows nothing of what it configures: src/config imports no module that imports it.
set -euo pipefail
cd "$(dirname "$0")/.."

violations=0

violation() {
    echo "VIOLATION: $1" >&2
    violations=$((violations + 1))
}

# The crates that `$1` links, one name a line.
linked_by() {
    cargo tree --locked --package "$1" --edges normal --prefix none --format '{p}' | cut -d' ' -f1 | sort -u
}

check_tree() {
    local package=$1 forbidden=$2 tree found
    tree=$(linked_by "$package")
    found=$(grep -xE "$forbidden" <<<"$tree" || true)
    echo "$package links $(wc -l <<<"$tree") crates, none of them may be: $forbidden"
    [ -z "$found" ] || violation "$package links $(tr '\n' ' ' <<<"$found")"
}

# tokio alone is no violation: aws-smithy takes its locks, and without mio it has no sockets.
io='hyper|hyper-.*|h2|rustls|rustls-.*|tokio-rustls|mio|socket2|reqwest'
check_tree wharf-wire "$io|wharf|wharf-provider|wharf-plugins|wharf-demo"
check_tree wharf-provider "$io|wharf|wharf-plugins|wharf-demo"
check_tree wharf-plugins "$io|wharf|wharf-demo"

# The plugins' own names, so that a new one is covered by its folder, and the companies behind two of them.
short='' long='backblaze|cloudflare'
for folder in plugins/*/mod.rs; do
    name=$(basename "$(dirname "$folder")")
    case $name in
        s3) ;;
        ??) short="$short|$name" ;;
        *) long="$long|$name" ;;
    esac
done
# Two letters are found as a word alone, in any of R2, r2_account and R2Account; longer names wherever they stand.
pattern="$long"
[ -z "$short" ] || pattern="$pattern|(^|[^[:alnum:]])(${short#|})([^[:alnum:]]|$)"
camel=$(tr '[:lower:]' '[:upper:]' <<<"${short#|}")

# The lines of a file that are no tests, with their place.
code_of() {
    awk -v file="$1" '
        held && /^mod [a-z_]+ \{/ { exit }
        { held = /^#\[cfg\(test\)\]$/; print file ":" FNR ": " $0 }
    ' "$1"
}

# The files that are compiled for tests alone: what `#[cfg(test)] mod name;` declares.
test_files() {
    local parent folder name
    while IFS=: read -r parent name; do
        case $(basename "$parent") in
            mod.rs | lib.rs | main.rs) folder=$(dirname "$parent") ;;
            *) folder=${parent%.rs} ;;
        esac
        echo "$folder/$name.rs"
        echo "$folder/$name/mod.rs"
    done < <(find src crates -name '*.rs' -exec awk '
        held && match($0, /^mod [a-z_]+;/) { print FILENAME ":" substr($0, 5, RLENGTH - 5) }
        { held = /^#\[cfg\(test\)\]$/ }
    ' {} +)
}
tests=$(test_files)

files=0
while IFS= read -r file; do
    ! grep -qxF "$file" <<<"$tests" || continue
    files=$((files + 1))
    lines=$(code_of "$file")
    named=$(grep -iE "^[^ ]+ .*($pattern)" <<<"$lines" || true)
    [ -z "$camel" ] || named=$named$(grep -E "^[^ ]+ .*($camel)[A-Z][a-z]" <<<"$lines" || true)
    [ -z "$named" ] || violation "a provider is named outside of plugins/:"$'\n'"$named"
done < <(find src crates -name '*.rs' -not -path '*/tests/*' -not -path '*/target/*' | sort)
echo "$files files of src/ and crates/, none of which may name: $long$short"

above='admin|backend|cli|gateway|pipeline|request|s3_endpoint|upload_api'
found=$(grep -rnE "crate::server|(^|[^[:alnum:]_])($above)::" src/config || true)
echo "src/config, which may import none of: server|$above"
[ -z "$found" ] || violation "the configuration looks up:"$'\n'"$found"

if [ "$violations" -gt 0 ]; then
    echo "$violations violations" >&2
    exit 1
fi
