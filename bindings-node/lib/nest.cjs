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

/** The key of the request, as a parameter of a route. */
const ApiKey = createParamDecorator((_data, context) => getApiKey(context.switchToHttp().getRequest()));

/** A request that goes no further. Filters of the host may answer it in their own way. */
class Refused extends HttpException {
  constructor(answer) {
    super(told(answer.body), answer.status);
    this.answer = answer;
  }
}

/** What a body says; an answer that is repeated may be anything. */
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
    // Of what comes in another way nobody knows who sends it.
    if (context.getType() !== "http") throw new Error(`keywright/nest guards HTTP, and this is ${context.getType()}`);
    const needs = needsOf(context.getClass(), context.getHandler()) ?? BY_RULE;
    const [request, response] = context.getArgs();
    const raw = request.raw ?? request;
    const { method, url, socket } = raw;
    // Fastify routes by what its own option has made of the target.
    const { target, rewritten } = request.raw ? { target: url } : routed(raw);
    const earlier = request.keywright?.earlier;
    const found = this.#http.begin(method, target, linesOf(raw), peerOf(socket), earlier, needs, rewritten);
    if (isPromise(found) || found.once) return judgedOnce(this.#http, found, request, response);
    return judged(found, request, response);
  }
}

/** Waits for what is found, and has it done once where it is to be. */
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

/** Guards every route of an application, and opens and closes the engine with it. The options are those of `Http`. */
class KeywrightModule {
  #kw;

  constructor(kw) {
    this.#kw = kw;
  }

  /** Wrong options are refused here. */
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

/** The key of a request that was let in, null where it came without. */
function getApiKey(request) {
  return request.keywright?.key ?? null;
}

module.exports = { ApiKey, KeywrightModule, Public, Refused, Requires, getApiKey };
