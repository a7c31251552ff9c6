"""What the lab tests ask of a boot."""
import datetime
import os


def seconds_of(stamp):
    return datetime.datetime.fromisoformat(stamp.replace("Z", "+00:00")).timestamp()


def with_image(lab, variable="SELFTEST_IMAGE", name="self-test"):
    """Starts the server with the disk that a variable of the environment names."""
    lab.start_server()
    lab.nsboot("image", "import", os.environ[variable], "--name", name)


def hop(boot, name):
    return next(h for h in boot["hops"] if h["hop"] == name)


def check(condition, text):
    if not condition:
        raise AssertionError(text)
