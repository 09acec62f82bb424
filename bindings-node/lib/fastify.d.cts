// @ts-ignore: Fastify is optional: without its types, they are `any`.
import type { FastifyPluginCallback, FastifyPluginAsync, FastifyReply, FastifyRequest, FastifyServerOptions, onRequestHookHandler } from "fastify";
import type { Explanation, HttpOptions, NeedsOptions, AuthContext, Principal } from "./http.cjs";
import type { Key, Keywright, Scopes } from "./index.cjs";

// @ts-ignore: as above
declare module "fastify" {
  interface FastifyRequest {
    /** The pass of a request that the guard let through. */
    keywright?: AuthContext;
  }
}

/** `app.register(guard)` applies the rules of paths to the routes of the same scope and of those below it. */
export interface Guard extends FastifyPluginCallback {
  /** Returns a hook for a route with these needs: `{ onRequest: guard.requires("deals:read") }`. Without arguments the rule of its path applies. */
  requires(scopes?: Scopes, more?: NeedsOptions): onRequestHookHandler;
  /**
   * Returns the plugin of management, to register: `app.register(guard.management({ principal }), { prefix: "/manage" })`; with the option
   * `path`, before the guard: `app.register(guard.management({ principal }))`.
   */
  management(options?: {
    principal?: ((request: FastifyRequest) => Principal | null | undefined | Promise<Principal | null | undefined>) | undefined;
  }): FastifyPluginAsync;
  /** For `fastify({ frameworkErrors })`: authenticates requests that Fastify answers before any hook, such as a path that it cannot decode. */
  frameworkErrors: NonNullable<FastifyServerOptions["frameworkErrors"]>;
  /** Explains why a request is let through or refused, by these needs or by the rule of its path. */
  explain(request: FastifyRequest, scopes?: Scopes, more?: NeedsOptions): Promise<Explanation>;
}

/** Guards a Fastify application. Throws for wrong options. */
export function guard(kw: Keywright, options?: HttpOptions): Guard;

/** Returns the key of a request that the guard let through, or null if there is none. */
export function getApiKey(request: FastifyRequest): Key | null;
