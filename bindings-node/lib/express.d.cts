// @ts-ignore: Express is optional: without its types, they are `any`.
import type { NextFunction, Request, RequestHandler, Response } from "express";
import type { Explanation, HttpOptions, NeedsOptions, AuthContext, Principal } from "./http.cjs";
import type { Key, Keywright, Scopes } from "./index.cjs";

declare global {
  namespace Express {
    interface Request {
      /** The pass of a request that the guard let through. */
      keywright?: AuthContext;
    }
  }
}

/** `app.use(guard)` applies the rules of paths. */
export interface Guard {
  (request: Request, response: Response, next: NextFunction): void;
  /** Returns a middleware for a route with these needs. Without arguments the rule of its path applies. */
  requires(scopes?: Scopes, more?: NeedsOptions): RequestHandler;
  /**
   * Returns the handler of management, to mount: `app.use("/manage", guard.management({ principal }))`; with the option `path`, before
   * the guard: `app.use(guard.management({ principal }))`.
   */
  management(options?: {
    principal?: ((request: Request) => Principal | null | undefined | Promise<Principal | null | undefined>) | undefined;
  }): RequestHandler;
  /** Explains why a request is let through or refused, by these needs or by the rule of its path. */
  explain(request: Request, scopes?: Scopes, more?: NeedsOptions): Promise<Explanation>;
}

/** Guards an Express application. Throws for wrong options. */
export function guard(kw: Keywright, options?: HttpOptions): Guard;

/** Returns the key of a request that the guard let through, or null if there is none. */
export function getApiKey(request: Request): Key | null;
