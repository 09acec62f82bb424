import type { Explanation, HttpOptions, NeedsOptions, AuthContext, Principal } from "./http.cjs";
import type { Key, Keywright, Scopes } from "./index.cjs";

export interface GuardOptions extends HttpOptions {
  /**
   * Returns the address of the peer, or `unix:`, where `register` does not run. Without it, a key with networks is refused. Never
   * read it from a header that a client can send.
   */
  peer?: ((request: Request) => string | undefined) | undefined;
}

/** The exports of a file `route.js`. */
type Method = (request: Request) => Promise<Response>;

export interface Guard {
  /** Wraps a route handler that has these needs, or those of the rule of its path. */
  withApiKey<R extends Request, C>(
    handler: (request: R, context: C) => Response | Promise<Response>,
    scopes?: Scopes,
    more?: NeedsOptions,
  ): (request: R, context: C) => Promise<Response>;
  /** Returns the handlers of management for `app/manage/[[...path]]/route.js`; `mount` is the path of that folder. */
  management(options: {
    mount: string;
    principal?: ((request: Request) => Principal | null | undefined | Promise<Principal | null | undefined>) | undefined;
    /** With the option `path` and the mount `""`: the handler of all other requests. */
    otherwise?: ((request: any, context: any) => Response | Promise<Response>) | undefined;
  }): Record<"GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS", Method>;
  /** Explains why a request is let through or refused, by these needs or by the rule of its path. */
  explain(request: Request, scopes?: Scopes, more?: NeedsOptions): Promise<Explanation>;
}

/** Guards route handlers of Next. Throws for wrong options. */
export function guard(kw: Keywright, options?: GuardOptions): Guard;

/**
 * Call this in `instrumentation.js`. A route then knows the address, path and headers of the socket, of which Next's request
 * has less.
 */
export function register(): void;

/** Extends a configuration of Next, or a function that returns one, so that bundles leave the addon out. */
export function withKeywright<C = { serverExternalPackages: string[] }>(config?: C): C;

/** The pass of a request that the guard let through. */
export function getCaller(request: Request): AuthContext | null;

/** Returns the key of a request that the guard let through, or null if there is none. */
export function getApiKey(request: Request): Key | null;
