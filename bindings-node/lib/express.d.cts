// @ts-ignore: Express is optional: where its types are missing, they are `any`.
import type { NextFunction, Request, RequestHandler, Response } from "express";
import type { Explanation, HttpOptions, NeedsOptions, Passed, Principal } from "./http.cjs";
import type { Key, Keywright, Scopes } from "./index.cjs";

declare global {
  namespace Express {
    interface Request {
      /** What is known of a request that was let in. */
      keywright?: Passed;
    }
  }
}

/** `app.use(guard)` judges by the rules of paths. */
export interface Guard {
  (request: Request, response: Response, next: NextFunction): void;
  /** A middleware for a route that needs these scopes, and whatever else. */
  requires(scopes?: Scopes, more?: NeedsOptions): RequestHandler;
  /**
   * Key management, to be mounted: `app.use("/manage", guard.management({ principal }))`; with the option `path`, before
   * the guard: `app.use(guard.management({ principal }))`.
   */
  management(options?: {
    principal?: ((request: Request) => Principal | null | undefined | Promise<Principal | null | undefined>) | undefined;
  }): RequestHandler;
  /** Why a request is let in or refused where a route needs this, or else by the rule of its path. */
  explain(request: Request, scopes?: Scopes, more?: NeedsOptions): Promise<Explanation>;
}

/** Guards an Express application; wrong options are refused here. */
export function guard(kw: Keywright, options?: HttpOptions): Guard;

/** The key of a request that was let in, null where it came without. */
export function getApiKey(request: Request): Key | null;
