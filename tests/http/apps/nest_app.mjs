// The test app on Nest.

import "reflect-metadata";
import { createServer } from "node:http";
import { All, Controller, HttpException, Req, Res } from "@nestjs/common";
import { NestFactory } from "@nestjs/core";
import { ExpressAdapter } from "@nestjs/platform-express";
import express from "express";
import { guard } from "keywright/express";
import { KeywrightModule } from "keywright/nest";
import { counted, http, kw, principal, stand, told } from "./setup.mjs";

class Routes {
  answer(request, response) {
    const [path] = request.originalUrl.split("?");
    if (path === "/fail") throw new HttpException("it is a teapot", 418);
    if (path === "/crash") throw new Error("it broke");
    if (path === "/count") return response.status(201).location("/counted").json(counted(request.originalUrl));
    if (path === "/own") response.set("cache-control", "private").vary("accept");
    response.json(told(request.keywright));
  }
}
// Without a compiler there are no decorators.
Controller()(Routes);
All("{*path}")(Routes.prototype, "answer", Object.getOwnPropertyDescriptor(Routes.prototype, "answer"));
Req()(Routes.prototype, "answer", 0);
Res()(Routes.prototype, "answer", 1);

class Application {}
Reflect.defineMetadata("controllers", [Routes], Application);
Reflect.defineMetadata("imports", [KeywrightModule.forRoot(kw, http)], Application);

const adapter = express().disable("x-powered-by").set("etag", false);
const app = await NestFactory.create(Application, new ExpressAdapter(adapter), { logger: false });
app.use(...(http.path ? [] : ["/manage"]), guard(kw, http).management({ principal }));
await app.init();
stand(createServer({ maxHeaderSize: 16_384 }, adapter));
