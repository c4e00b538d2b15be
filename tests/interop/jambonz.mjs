// jambonz's two clients, each as middleware of a web application that is really called. Both verify; neither signs.
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import express from "express";

const require = createRequire(import.meta.url);
const { WebhookResponse: Old } = require("@jambonz/node-client");
const { WebhookResponse: New } = require("@jambonz/sdk/webhook");

// node-client takes the bytes that came in; sdk takes a text, or an object that it turns into a text again.
const clients = {
  "@jambonz/node-client": (secret) => [express.raw({ type: "*/*" }), Old.verifyJambonzSignature(secret)],
  "@jambonz/node-client, parsed body": (secret) => [express.json(), Old.verifyJambonzSignature(secret)],
  "@jambonz/node-client, two secrets": (secret) => [
    express.raw({ type: "*/*" }),
    Old.verifyJambonzSignature(["wh_secret_another", secret]),
  ],
  "@jambonz/sdk": (secret) => [express.text({ type: "*/*" }), New.verifySignature(secret)],
  "@jambonz/sdk, parsed body": (secret) => [express.json(), New.verifySignature(secret)],
};

const cases = JSON.parse(readFileSync(0, "utf8"));
for (const [client, middleware] of Object.entries(clients)) {
  const app = express();
  cases.forEach(({ secret }, n) => app.post(`/${n}`, ...middleware(secret), (_, response) => response.sendStatus(200)));
  app.use((_error, _request, response, _next) => response.sendStatus(403));
  const server = app.listen(0, "127.0.0.1");
  await once(server, "listening");
  for (const [n, { name, headers, body, accepted }] of cases.entries()) {
    const answer = await fetch(`http://127.0.0.1:${server.address().port}/${n}`, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body,
    });
    const got = answer.status === 200;
    if (![200, 403].includes(answer.status) || got !== accepted) {
      throw new Error(`${client}: ${name}: status ${answer.status}`);
    }
  }
  server.close();
  console.error(`${client}: ${cases.length} requests that we signed: as expected`);
}
