// A host's program with Nest, for the compiler alone.

import { Catch, Controller, Get, Module, type ExceptionFilter } from "@nestjs/common";
import { Keywright, type Key } from "keywright";
import { ApiKey, KeywrightModule, Public, Refused, Requires, getApiKey } from "keywright/nest";

const kw = new Keywright("sqlite:keys.db", { brand: "liq" });

@Controller()
@Requires(["deals:read"])
class Deals {
  @Get("read")
  @Requires("deals:write", { cost: 2 })
  read(@ApiKey() key: Key) {
    return { name: key.name };
  }

  @Get("health")
  @Public()
  health() {}
}

@Catch(Refused)
export class Filter implements ExceptionFilter<Refused> {
  catch(error: Refused) {
    return [error.getStatus(), error.answer.headers];
  }
}

@Module({
  imports: [
    KeywrightModule.forRoot(kw, { errors: "list" }),
    KeywrightModule.forRootAsync({ inject: ["CONFIG"], useFactory: async (_config: object) => ({ kw, realm: "deals" }) }),
  ],
  controllers: [Deals],
})
export class Application {}

export const key: Key | null = getApiKey({});
// @ts-expect-error: no such form
KeywrightModule.forRoot(kw, { errors: "xml" });
// @ts-expect-error: no such need
Requires("deals:read", { price: 2 });
