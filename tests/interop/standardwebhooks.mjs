// npm's standardwebhooks. `verify`: it says what is expected of each request on standard input. `sign`: it signs some.
import { readFileSync } from "node:fs";
import { Webhook } from "standardwebhooks";

if (process.argv[2] === "verify") {
  const cases = JSON.parse(readFileSync(0, "utf8"));
  for (const { name, standard_secret, headers, body, accepted } of cases) {
    let got = true;
    try {
      new Webhook(standard_secret).verify(Buffer.from(body), headers);
    } catch {
      got = false;
    }
    if (got !== accepted) throw new Error(`${name}: accepted ${got}`);
  }
  console.error(`standardwebhooks, npm: ${cases.length} requests that we signed: as expected`);
} else {
  const cases = [];
  const body = JSON.stringify({ event: "leave", queue: "Süd", length: 0 });
  for (const secret of ["whsec_5WbX5kEWLlfzsGNjH64I8lOOqUB6e8FH5WbX5kEWLlc=", "wh_secret_cJqgtMDPzDhhnjmaJH6Mtk"]) {
    const standard = secret.startsWith("whsec_") ? secret : "whsec_" + Buffer.from(secret).toString("base64");
    const now = Math.floor(Date.now() / 1000);
    const sign = (webhook, seconds) => webhook.sign("msg_1", new Date(seconds * 1000), body);
    const webhook = new Webhook(standard);
    const other = new Webhook("whsec_" + Buffer.from("another secret of 24 bytes").toString("base64"));
    const right = sign(webhook, now);
    for (const [name, signature, seconds, sent, accepted] of [
      ["as it is", right, now, body, true],
      ["another body", right, now, body.replace("0", "1"), false],
      ["another secret", sign(other, now), now, body, false],
      ["rotating", `${sign(other, now)} ${right}`, now, body, true],
      ["rotating, another body", `${sign(other, now)} ${right}`, now, body + " ", false],
      ["an hour old", sign(webhook, now - 3600), now - 3600, body, false],
      ["an hour early", sign(webhook, now + 3600), now + 3600, body, false],
      ["another time", right, now - 1, body, false],
    ]) {
      const headers = { "webhook-id": "msg_1", "webhook-timestamp": String(seconds), "webhook-signature": signature };
      cases.push({ name, secret, standard_secret: standard, headers, body: sent, accepted });
    }
  }
  console.log(JSON.stringify(cases));
}
