"""Runs lab tests, each on a stage of its own."""
import argparse
import os
import sys
import time
import traceback

from harness import Lab


def run(test, tries):
    """One test on a stage of its own. Emulated machines share two cores with much else: where there is one more try, it is
    told."""
    for attempt in range(1, tries + 1):
        started = time.monotonic()
        print(f"== {test.__name__}", flush=True)
        lab = Lab()
        good = False
        try:
            test(lab)
            good = True
        except (AssertionError, RuntimeError, TimeoutError, OSError):
            traceback.print_exc()
            print(f"   the server said last:\n{lab.log('server.log')[-2000:]}")
        finally:
            lab.close(keep=not good)
        print(f"   {'ok' if good else 'FAILED'} after {time.monotonic() - started:.0f} s", flush=True)
        if good:
            return True
        if attempt < tries:
            print("   RETRIED once", flush=True)
    return False


def main(tests, long=(), images=("SELFTEST_IMAGE",)):
    """Runs tests by the words of the command line; those that are long only when asked for.
    `images` are the variables of the environment that name disks."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--long", action="store_true", help="also the tests that take long")
    parser.add_argument("names", nargs="*")
    args = parser.parse_args()
    missing = [name for name in images if not os.environ.get(name)]
    if os.geteuid() or missing:
        sys.exit(f"lab tests need root, and disks in {', '.join(images)} (scripts/lab-image.sh prints where they are)")
    unknown = set(args.names) - {t.__name__ for t in (*tests, *long)}
    if unknown:
        sys.exit(f"no such test: {', '.join(sorted(unknown))}")
    tests = [t for t in (*tests, *long) if t.__name__ in args.names or not args.names and (args.long or t not in long)]
    # Rounds are there to see what fails now and then.
    tries = 2 if args.rounds == 1 else 1
    failed = [t.__name__ for _ in range(args.rounds) for t in tests if not run(t, tries)]
    sys.exit(f"failed: {', '.join(failed)}" if failed else 0)
