import type { Explanation, HttpOptions, NeedsOptions, Passed, Principal } from "./http.cjs";
import type { Key, Keywright, Scopes } from "./index.cjs";

export interface GuardOptions extends HttpOptions {
  /**
   * The address of the socket's other end, or `unix:`, where `register` does not run. Without one a key that is bound to networks is
   * refused. Never a header that a client may send.
   */
  peer?: ((request: Request) => string | undefined) | undefined;
}

/** What a file `route.js` exports. */
type Method = (request: Request) => Promise<Response>;

export interface Guard {
  /** A route handler that needs a key: with these scopes, and whatever else; by the rule of its path where neither is said. */
  withApiKey<R extends Request, C>(
    handler: (request: R, context: C) => Response | Promise<Response>,
    scopes?: Scopes,
    more?: NeedsOptions,
  ): (request: R, context: C) => Promise<Response>;
  /** The handlers of `app/manage/[[...path]]/route.js`, which stands under `mount`. */
  management(options: {
    mount: string;
    principal?: ((request: Request) => Principal | null | undefined | Promise<Principal | null | undefined>) | undefined;
    /** With the option `path` and the mount `""`: the handler of what management does not answer there. */
    otherwise?: ((request: any, context: any) => Response | Promise<Response>) | undefined;
  }): Record<"GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS", Method>;
  /** Why a request is let in or refused where a route needs this, or else by the rule of its path. */
  explain(request: Request, scopes?: Scopes, more?: NeedsOptions): Promise<Explanation>;
}

/** Guards route handlers of Next; wrong options are refused here. */
export function guard(kw: Keywright, options?: GuardOptions): Guard;

/**
 * For `instrumentation.js`: from now on a route knows the address, the path and the headers that came over the socket, of
 * which Next's request tells less.
 */
export function register(): void;

/** A configuration of Next, or a function that makes one, in which the addon stays out of bundles. */
export function withKeywright<C = { serverExternalPackages: string[] }>(config?: C): C;

/** What is known of a request that was let in. */
export function getCaller(request: Request): Passed | null;

/** The key of a request that was let in, null where it came without. */
export function getApiKey(request: Request): Key | null;
