// @ts-ignore: Nest is optional: without its types, they are `any`.
import type { DynamicModule, HttpException, ModuleMetadata } from "@nestjs/common";
import type { HttpOptions, NeedsOptions, AuthContext, Refused as Answer } from "./http.cjs";
import type { Key, Keywright, Scopes } from "./index.cjs";

/**
 * Guards every route of an application, on Express or Fastify. Opens the engine with the application and closes it at its end.
 * Also provides `Keywright`, and `Http` of `keywright/http`.
 */
export class KeywrightModule {
  constructor(kw: Keywright);
  /** Throws for wrong options. */
  static forRoot(kw: Keywright, options?: HttpOptions): DynamicModule;
  /** Takes engine and options from the application: `useFactory` returns the engine as `kw`, with the options. */
  static forRootAsync(from: {
    imports?: ModuleMetadata["imports"];
    inject?: any[] | undefined;
    useFactory: (...given: any[]) => (HttpOptions & { kw: Keywright }) | Promise<HttpOptions & { kw: Keywright }>;
  }): DynamicModule;
}

/** Declares the needs of a route, or of every route of a controller that has none of its own. OpenAPI documents show `api_key`. */
export function Requires(scopes?: Scopes, more?: NeedsOptions): MethodDecorator & ClassDecorator;

/** Makes a route public. */
export function Public(): MethodDecorator & ClassDecorator;

/** The key of the request as a parameter: `@ApiKey() key: Key`; null if there is none. */
export const ApiKey: () => ParameterDecorator;

/** Exception for a refused request. A filter of the host may catch it and change the response. */
export class Refused extends HttpException {
  constructor(answer: Answer);
  readonly answer: Answer;
}

/** Returns the key of a request that the guard let through, or null if there is none. */
export function getApiKey(request: { keywright?: AuthContext }): Key | null;
