"""The protocol of the clients: one line of JSON for each request and for each answer."""

import json
import sys


def serve(introduction: dict, answer) -> None:
    """Introduces the client, then answers requests one after another."""
    print(json.dumps(introduction), flush=True)
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)
