"use strict";

const { Catch, HttpException, Inject, createParamDecorator } = require("@nestjs/common");
const fastify = require("./fastify.cjs");
const { BY_RULE, Http } = require("./http.cjs");
const { Keywright } = require("./keywright.cjs");
const { Public, Requires, needsOf } = require("./nest-needs.cjs");
const { keep } = require("./node-once.cjs");
const { bodyBefore, linesOf, peerOf, routed } = require("./node-request.cjs");
const { adding, send } = require("./node-response.cjs");
const { isPromise } = require("./promise.cjs");

const BOTH = Symbol("keywright engine and contract");

/** Parameter decorator: the key of the request. */
const ApiKey = createParamDecorator((_data, context) => getApiKey(context.switchToHttp().getRequest()));

/** Exception for a refused request. Filters of the host may change the response. */
class Refused extends HttpException {
  constructor(answer) {
    super(told(answer.body), answer.status);
    this.answer = answer;
  }
}

/** Parses a body. A repeated response may have a body of any kind. */
function told(body) {
  try {
    return JSON.parse(body);
  } catch {
    return {};
  }
}

class RefusedFilter {
  catch({ answer }, host) {
    const [request, response] = host.getArgs();
    if (response.raw) fastify.send(response, answer);
    else send(response, request.method, answer);
  }
}
Catch(Refused)(RefusedFilter);

class KeywrightGuard {
  #http;

  constructor(http) {
    this.#http = http;
  }

  canActivate(context) {
    // Messages of other transports have no authenticated sender.
    if (context.getType() !== "http") throw new Error(`keywright/nest guards HTTP, and this is ${context.getType()}`);
    const needs = needsOf(context.getClass(), context.getHandler()) ?? BY_RULE;
    const [request, response] = context.getArgs();
    const raw = request.raw ?? request;
    const { method, url, socket } = raw;
    // Fastify may route by a target that its option has rewritten.
    const { target, rewritten } = request.raw ? { target: url } : routed(raw);
    const earlier = request.keywright?.earlier;
    const found = this.#http.begin(method, target, linesOf(raw), peerOf(socket), earlier, needs, rewritten);
    if (isPromise(found) || found.once) return judgedOnce(this.#http, found, request, response);
    return judged(found, request, response);
  }
}

/** Waits for the outcome, and starts an idempotent request. */
async function judgedOnce(http, waited, request, response) {
  const found = await waited;
  const turn = found.once && (await http.once(found, await bodyBefore(request)));
  if (turn && !turn.allowed) return judged(turn, request, response);
  if (turn) keep(response.raw ?? response, turn);
  return judged(found, request, response);
}

function judged(found, request, response) {
  if (!found.allowed) throw new Refused(found);
  request.keywright = (request.raw ?? request).keywright = found;
  adding(response.raw ?? response);
  return true;
}

/** Guards every route of an application, and opens and closes the engine with it. Takes the options of `Http`. */
class KeywrightModule {
  #kw;

  constructor(kw) {
    this.#kw = kw;
  }

  /** Throws for wrong options. */
  static forRoot(kw, options) {
    const both = { kw, http: new Http(kw, options) };
    return guarding(() => both);
  }

  static forRootAsync({ imports, inject, useFactory }) {
    const made = async (...given) => {
      const { kw, ...options } = await useFactory(...given);
      return { kw, http: new Http(kw, options) };
    };
    return guarding(made, inject, imports);
  }

  async onModuleInit() {
    await this.#kw.open();
  }

  async onApplicationShutdown() {
    await this.#kw.close();
  }
}
Inject(Keywright)(KeywrightModule, undefined, 0);

function guarding(useFactory, inject = [], imports = []) {
  return {
    module: KeywrightModule,
    global: true,
    imports,
    providers: [
      { provide: BOTH, inject, useFactory },
      { provide: Keywright, inject: [BOTH], useFactory: ({ kw }) => kw },
      { provide: Http, inject: [BOTH], useFactory: ({ http }) => http },
      { provide: "APP_GUARD", inject: [Http], useFactory: (http) => new KeywrightGuard(http) },
      { provide: "APP_FILTER", useClass: RefusedFilter },
    ],
    exports: [Keywright, Http],
  };
}

/** Returns the key of a request that the guard let through, or null if there is none. */
function getApiKey(request) {
  return request.keywright?.key ?? null;
}

module.exports = { ApiKey, KeywrightModule, Public, Refused, Requires, getApiKey };
