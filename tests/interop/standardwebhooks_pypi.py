"""PyPI's standardwebhooks. `verify`: it says what is expected of each request on standard input. `sign`: it signs some."""

import base64
import json
import sys
from datetime import datetime, timezone

from standardwebhooks.webhooks import Webhook


def accepts(case):
    try:
        Webhook(case["standard_secret"]).verify(case["body"].encode(), case["headers"])
        return True
    except Exception:
        return False


if sys.argv[1] == "verify":
    cases = json.load(sys.stdin)
    for case in cases:
        assert accepts(case) == case["accepted"], case["name"]
    print(f"standardwebhooks, PyPI: {len(cases)} requests that we signed: as expected", file=sys.stderr)
else:
    cases = []
    body = json.dumps({"event": "leave", "queue": "Süd", "length": 0}, ensure_ascii=False)
    now = int(datetime.now(tz=timezone.utc).timestamp())
    for secret in ["whsec_5WbX5kEWLlfzsGNjH64I8lOOqUB6e8FH5WbX5kEWLlc=", "wh_secret_cJqgtMDPzDhhnjmaJH6Mtk"]:
        standard = secret if secret.startswith("whsec_") else "whsec_" + base64.b64encode(secret.encode()).decode()
        other = Webhook(b"another secret of 24 bytes")

        def sign(webhook, seconds):
            return webhook.sign("msg_1", datetime.fromtimestamp(seconds, tz=timezone.utc), body)

        webhook = Webhook(standard)
        right = sign(webhook, now)
        for name, signature, seconds, sent, accepted in [
            ("as it is", right, now, body, True),
            ("another body", right, now, body.replace("0", "1"), False),
            ("another secret", sign(other, now), now, body, False),
            ("rotating", f"{sign(other, now)} {right}", now, body, True),
            ("rotating, another body", f"{sign(other, now)} {right}", now, body + " ", False),
            ("an hour old", sign(webhook, now - 3600), now - 3600, body, False),
            ("an hour early", sign(webhook, now + 3600), now + 3600, body, False),
            ("another time", right, now - 1, body, False),
        ]:
            headers = {"webhook-id": "msg_1", "webhook-timestamp": str(seconds), "webhook-signature": signature}
            cases.append(
                {
                    "name": name,
                    "secret": secret,
                    "standard_secret": standard,
                    "headers": headers,
                    "body": sent,
                    "accepted": accepted,
                }
            )
    json.dump(cases, sys.stdout)
