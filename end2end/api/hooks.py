"""What schemathesis does to each request before it is sent."""

import re
import uuid

import schemathesis

KEY = "Idempotency-Key"


@schemathesis.hook
def before_call(context, case, kwargs):
    """A good key is made a new one: the simplest ones are made up again and again, and a key that was used before keeps
    all that comes with it from being tried."""
    key = case.headers.get(KEY) if case.headers else None
    if key is not None and re.fullmatch("[!-~]{1,255}", str(key)):
        case.headers[KEY] = str(uuid.uuid4())
