// @ts-ignore: Hono is optional: without its types, they are `any`.
import type { Context, MiddlewareHandler } from "hono";
import type { Explanation, HttpOptions, NeedsOptions, AuthContext, Principal } from "./http.cjs";
import type { Key, Keywright, Scopes } from "./index.cjs";

/** The variables that a guard sets for later handlers: `new Hono<KeywrightEnv>()` has `c.var.keywright` everywhere. */
export interface KeywrightEnv {
  Variables: {
    /** The pass of a request that the guard let through. */
    keywright: AuthContext;
  };
}

export interface GuardOptions extends HttpOptions {
  /**
   * Returns the address of the peer, or `unix:`, on servers other than `@hono/node-server`. Without it, a key with networks is
   * refused. Never read it from a header that a client can send.
   */
  peer?: ((c: Context) => string | undefined) | undefined;
}

/** `app.use(guard)` applies the rules of paths. */
export interface Guard extends MiddlewareHandler<KeywrightEnv> {
  /** Returns a middleware for a route with these needs. Without arguments the rule of its path applies. */
  requires(scopes?: Scopes, more?: NeedsOptions): MiddlewareHandler<KeywrightEnv>;
  /**
   * Returns the handler of management for everything below a path: `app.all("/manage/*", guard.management({ principal }))`; with the option
   * `path`, before the guard: `app.use(guard.management({ principal }))`.
   */
  management(options?: {
    principal?: ((c: Context) => Principal | null | undefined | Promise<Principal | null | undefined>) | undefined;
  }): MiddlewareHandler;
  /** Explains why a request is let through or refused, by these needs or by the rule of its path. */
  explain(c: Context, scopes?: Scopes, more?: NeedsOptions): Promise<Explanation>;
}

/** Guards a Hono application. Throws for wrong options. */
export function guard(kw: Keywright, options?: GuardOptions): Guard;

/** Returns the key of a request that the guard let through, or null if there is none. */
export function getApiKey(c: Context<any>): Key | null;
