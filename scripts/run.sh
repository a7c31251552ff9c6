#!/usr/bin/env bash
# From a fresh machine to a running NSBoot with the virtual lab, its page on this machine only.
. "$(dirname "$0")/lib.sh"
scripts/build.sh
step 1 1 "Self-test image" scripts/lab-image.sh selftest
IMAGE=$(scripts/lab-image.sh selftest)
echo
exec target/release/nsboot serve --data "${NSBOOT_DATA:-$ROOT/data}" --listen 127.0.0.1:3000 --lab --lab-image "$IMAGE"
