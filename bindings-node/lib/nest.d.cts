// @ts-ignore: Nest is optional: where its types are missing, they are `any`.
import type { DynamicModule, HttpException, ModuleMetadata } from "@nestjs/common";
import type { HttpOptions, NeedsOptions, Passed, Refused as Answer } from "./http.cjs";
import type { Key, Keywright, Scopes } from "./index.cjs";

/**
 * Guards every route of an application, on Express or Fastify; opens the engine with it and closes it at its end. It also
 * provides `Keywright`, and `Http` of `keywright/http`.
 */
export class KeywrightModule {
  constructor(kw: Keywright);
  /** Wrong options are refused here. */
  static forRoot(kw: Keywright, options?: HttpOptions): DynamicModule;
  /** The same from what the application provides; `useFactory` gives the engine as `kw`, with the options. */
  static forRootAsync(from: {
    imports?: ModuleMetadata["imports"];
    inject?: any[] | undefined;
    useFactory: (...given: any[]) => (HttpOptions & { kw: Keywright }) | Promise<HttpOptions & { kw: Keywright }>;
  }): DynamicModule;
}

/** What a route needs, or each route of a controller that says nothing else; told in documents as `api_key`. */
export function Requires(scopes?: Scopes, more?: NeedsOptions): MethodDecorator & ClassDecorator;

/** Lets everybody in, with or without a key. */
export function Public(): MethodDecorator & ClassDecorator;

/** The key of the request as a parameter: `@ApiKey() key: Key`; null where it came without. */
export const ApiKey: () => ParameterDecorator;

/** A request that goes no further; a filter of the host that catches it answers in its own way. */
export class Refused extends HttpException {
  constructor(answer: Answer);
  readonly answer: Answer;
}

/** The key of a request that was let in, null where it came without. */
export function getApiKey(request: { keywright?: Passed }): Key | null;
