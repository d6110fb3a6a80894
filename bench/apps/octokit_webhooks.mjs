// @octokit/webhooks on Node's own HTTP server, as its README has it: the same work as the Probot
// app, without Probot.

import { createServer } from "node:http";
import { Webhooks, createNodeMiddleware } from "@octokit/webhooks";

const KEY_LINE = /^experiment_key: *([\w.-]+)/im;
const webhooks = new Webhooks({ secret: process.env.WEBHOOK_SECRET });

webhooks.on("pull_request.opened", async ({ payload }) => {
  KEY_LINE.exec(payload.pull_request.body ?? "");
});

createServer(createNodeMiddleware(webhooks)).listen(Number(process.env.PORT), "127.0.0.1");
