#!/usr/bin/env bash
# Makes the image from one static executable, without a registry and without compiling inside of Docker.
#
#     docker/build.sh [--tag TAG] [EXECUTABLE]
#
# Without EXECUTABLE, `loadgen` is built in release mode, or taken as it is when it is up to date: it holds the
# node as well as the load generator. TAG is veil:latest by default.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

fail() {
    printf 'build.sh: %s\n' "$1" >&2
    exit 2
}

tag=veil:latest
executable=
while [ $# -gt 0 ]; do
    case $1 in
        --tag)
            [ $# -gt 1 ] || fail "--tag needs a value"
            tag=$2
            shift 2
            ;;
        -h | --help)
            sed -n '2,/^set /s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
            exit 0
            ;;
        -*) fail "unknown option $1; usage: docker/build.sh [--tag TAG] [EXECUTABLE]" ;;
        *)
            [ -z "$executable" ] || fail "one executable, not $executable and $1"
            executable=$1
            shift
            ;;
    esac
done
for tool in docker readelf strip; do
    command -v $tool >/dev/null || fail "$tool is missing"
done

if [ -z "$executable" ]; then
    command -v cargo >/dev/null || fail "cargo is missing: name an EXECUTABLE"
    # Cargo itself says where the executable is: the folder depends on target and environment.
    built=$(cd "$here" && cargo build --release -p loadgen --message-format=json-render-diagnostics)
    executable=$(sed -n 's/.*"name":"loadgen".*"executable":"\([^"]*\)".*/\1/p' <<<"$built" | tail -n 1)
    [ -n "$executable" ] || fail "cargo names no executable"
fi
[ -x "$executable" ] || fail "$executable is not an executable file"
headers=$(readelf --wide --program-headers "$executable") || fail "$executable is not a Linux executable"
! grep -q INTERP <<<"$headers" || fail "$executable needs a dynamic linker, and the image has none: link it statically"

context=$(mktemp -d)
trap 'rm -rf "$context"' EXIT
mkdir "$context/data"
strip --strip-debug -o "$context/veil" "$executable"
chmod 755 "$context/veil" "$context/data"

id=$(docker build --quiet --file "$here/Dockerfile" --tag "$tag" "$context")
printf '%s %s %s bytes\n' "$tag" "$id" "$(docker image inspect --format '{{.Size}}' "$id")"
