// case.mjs NAME: sends requests to an application in this process by one client.

import awsLambdaFastify from "@fastify/aws-lambda";
import serverlessExpress from "@vendia/serverless-express";
import inject from "light-my-request";
import serverlessHttp from "serverless-http";
import supertest from "supertest";
import { checkOnce } from "../once.mjs";
import { api_key, expressApp, fastifyApp, kw } from "./apps.mjs";

/** The event that API Gateway sends to a function: version 1.0 of its payload, or 2.0. */
const events = {
  1: (headers, body) => ({
    version: "1.0", httpMethod: "POST", path: "/deals", resource: "/deals", headers, multiValueHeaders: lists(headers), body,
    isBase64Encoded: false, queryStringParameters: null, multiValueQueryStringParameters: null,
    requestContext: { identity: { sourceIp: "192.0.2.1" }, resourcePath: "/deals" },
  }),
  2: (headers, body) => ({
    version: "2.0", routeKey: "$default", rawPath: "/deals", rawQueryString: "", headers, isBase64Encoded: true,
    body: Buffer.from(body).toString("base64"),
    requestContext: { http: { method: "POST", path: "/deals", protocol: "HTTP/1.1", sourceIp: "192.0.2.1" }, stage: "$default" },
  }),
};

const lists = (headers) => Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, [value]]));

/** A function of Lambda as what answers headers and a body. */
const lambda = (handler, version) => async (headers, body) => {
  const answer = await handler(events[version](headers, body), {});
  const many = Object.entries(answer.multiValueHeaders ?? {}).map(([name, [value]]) => [name, value]);
  const text = answer.isBase64Encoded ? Buffer.from(answer.body, "base64").toString() : answer.body;
  return { status: answer.statusCode, headers: { ...Object.fromEntries(many), ...answer.headers }, text };
};

const injected = (app) => async (headers, payload) => {
  const { statusCode, headers: got, payload: text } = await app.inject({ method: "POST", url: "/deals", headers, payload });
  return { status: statusCode, headers: got, text };
};

const onExpress = expressApp();

const programs = {
  "fastify-inject": () => injected(fastifyApp()),
  "fastify-inject-parsed": () => injected(fastifyApp("preHandler")),
  "light-my-request": () => injected({ inject: (request) => inject(onExpress, request) }),
  supertest: () => async (headers, body) => supertest(onExpress).post("/deals").set(headers).send(body),
  "fastify-aws-lambda-1": () => lambda(awsLambdaFastify(fastifyApp()), 1),
  "fastify-aws-lambda-2": () => lambda(awsLambdaFastify(fastifyApp()), 2),
  "serverless-express-1": () => lambda(serverlessExpress({ app: expressApp() }), 1),
  "serverless-express-2": () => lambda(serverlessExpress({ app: expressApp() }), 2),
  "serverless-http-1": () => lambda(serverlessHttp(expressApp()), 1),
  "serverless-http-2": () => lambda(serverlessHttp(expressApp()), 2),
};
await checkOnce(api_key, programs[process.argv[2]]());
await kw.close();
