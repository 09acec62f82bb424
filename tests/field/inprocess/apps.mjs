// The same route on Express and on Fastify.

import { types } from "node:util";
import express from "express";
import Fastify from "fastify";
import * as keywright from "keywright";
import { guard as expressGuard } from "keywright/express";
import { guard as fastifyGuard } from "keywright/fastify";
import { site } from "../once.mjs";

export const { kw, api_key } = await site(keywright);

export function expressApp() {
  const keys = expressGuard(kw, {});
  let run = 0;
  return express().post("/deals", keys.requires("deals:write", { idempotent: true }), express.json(), (request, response) => {
    response.status(201).json({ run: ++run, told: types.isUint8Array(request.body) ? JSON.parse(request.body) : request.body });
  });
}

export function fastifyApp(hook = "onRequest") {
  const keys = fastifyGuard(kw, {});
  let run = 0;
  const app = Fastify();
  app.post("/deals", { [hook]: keys.requires("deals:write", { idempotent: true }) }, async (request, reply) => {
    reply.code(201);
    return { run: ++run, told: request.body };
  });
  return app;
}
