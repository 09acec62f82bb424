// @ts-ignore: Fastify is optional: where its types are missing, they are `any`.
import type { FastifyPluginCallback, FastifyPluginAsync, FastifyReply, FastifyRequest, FastifyServerOptions, onRequestHookHandler } from "fastify";
import type { Explanation, HttpOptions, NeedsOptions, Passed, Principal } from "./http.cjs";
import type { Key, Keywright, Scopes } from "./index.cjs";

// @ts-ignore: as above
declare module "fastify" {
  interface FastifyRequest {
    /** What is known of a request that was let in. */
    keywright?: Passed;
  }
}

/** `app.register(guard)` judges by the rules of paths whatever stands in the same scope and in those below it. */
export interface Guard extends FastifyPluginCallback {
  /** A hook for a route that needs these scopes, and whatever else: `{ onRequest: guard.requires("deals:read") }`. */
  requires(scopes?: Scopes, more?: NeedsOptions): onRequestHookHandler;
  /**
   * Key management, to be registered: `app.register(guard.management({ principal }), { prefix: "/manage" })`; with the option
   * `path`, before the guard: `app.register(guard.management({ principal }))`.
   */
  management(options?: {
    principal?: ((request: FastifyRequest) => Principal | null | undefined | Promise<Principal | null | undefined>) | undefined;
  }): FastifyPluginAsync;
  /** For `fastify({ frameworkErrors })`: judges what Fastify would answer before any hook, such as a path that it cannot decode. */
  frameworkErrors: NonNullable<FastifyServerOptions["frameworkErrors"]>;
  /** Why a request is let in or refused where a route needs this, or else by the rule of its path. */
  explain(request: FastifyRequest, scopes?: Scopes, more?: NeedsOptions): Promise<Explanation>;
}

/** Guards a Fastify application; wrong options are refused here. */
export function guard(kw: Keywright, options?: HttpOptions): Guard;

/** The key of a request that was let in, null where it came without. */
export function getApiKey(request: FastifyRequest): Key | null;
