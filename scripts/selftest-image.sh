#!/usr/bin/env bash
# Prints the path of the self-test image, building it when its recipe changed.
. "$(dirname "$0")/lib.sh"
KEY=$(find end2end/lab/selftest end2end/lab/disk.sh -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum | cut -c1-16)
IMAGE=$NSBOOT_CACHE/images/selftest-$KEY.raw
if [ ! -f "$IMAGE" ]; then
  mkdir -p "$(dirname "$IMAGE")"
  PART=$IMAGE.part.$$ # of this run alone: another may be building it too
  trap 'rm -f "$PART"' EXIT
  end2end/lab/selftest/build.sh "$PART" >"$NSBOOT_CACHE/logs/selftest-image.log" 2>&1 ||
    { echo "building the self-test image failed:" >&2; tail -n 30 "$NSBOOT_CACHE/logs/selftest-image.log" >&2; exit 1; }
  mv "$PART" "$IMAGE"
fi
echo "$IMAGE"
