// @ts-ignore: Hono is optional: where its types are missing, they are `any`.
import type { Context, MiddlewareHandler } from "hono";
import type { Explanation, HttpOptions, NeedsOptions, Passed, Principal } from "./http.cjs";
import type { Key, Keywright, Scopes } from "./index.cjs";

/** What a guard leaves for the handlers after it: `new Hono<KeywrightEnv>()` has `c.var.keywright` everywhere. */
export interface KeywrightEnv {
  Variables: {
    /** What is known of a request that was let in. */
    keywright: Passed;
  };
}

export interface GuardOptions extends HttpOptions {
  /**
   * The address of the socket's other end, or `unix:`, where `@hono/node-server` does not serve. Without one a key that is bound to
   * networks is refused. Never a header that a client may send.
   */
  peer?: ((c: Context) => string | undefined) | undefined;
}

/** `app.use(guard)` judges by the rules of paths. */
export interface Guard extends MiddlewareHandler<KeywrightEnv> {
  /** A middleware for a route that needs these scopes, and whatever else. */
  requires(scopes?: Scopes, more?: NeedsOptions): MiddlewareHandler<KeywrightEnv>;
  /**
   * Key management, for all that is below a path: `app.all("/manage/*", guard.management({ principal }))`; with the option
   * `path`, before the guard: `app.use(guard.management({ principal }))`.
   */
  management(options?: {
    principal?: ((c: Context) => Principal | null | undefined | Promise<Principal | null | undefined>) | undefined;
  }): MiddlewareHandler;
  /** Why a request is let in or refused where a route needs this, or else by the rule of its path. */
  explain(c: Context, scopes?: Scopes, more?: NeedsOptions): Promise<Explanation>;
}

/** Guards a Hono application; wrong options are refused here. */
export function guard(kw: Keywright, options?: GuardOptions): Guard;

/** The key of a request that was let in, null where it came without. */
export function getApiKey(c: Context<any>): Key | null;
