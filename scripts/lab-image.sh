#!/usr/bin/env bash
# Prints the path of a disk for the lab, `selftest` or `debian`, building it when its recipe changed.
. "$(dirname "$0")/lib.sh"
NAME=${1:?usage: lab-image.sh selftest|debian}
KEY=$(find "end2end/lab/$NAME" end2end/lab/disk.sh -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum | cut -c1-16)
IMAGE=$NSBOOT_CACHE/images/$NAME-$KEY.raw
LOG=$NSBOOT_CACHE/logs/$NAME-image.log
if [ ! -f "$IMAGE" ]; then
  mkdir -p "$(dirname "$IMAGE")"
  PART=$IMAGE.part.$$ # of this run alone: another may be building it too
  trap 'rm -f "$PART"' EXIT
  "end2end/lab/$NAME/build.sh" "$PART" >"$LOG" 2>&1 ||
    { echo "building the disk \`$NAME\` failed:" >&2; tail -n 30 "$LOG" >&2; exit 1; }
  mv "$PART" "$IMAGE"
fi
echo "$IMAGE"
