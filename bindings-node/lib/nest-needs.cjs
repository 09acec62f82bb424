"use strict";

const { Needs } = require("./http.cjs");

const NEEDS = "keywright:needs";

// Metadata of @nestjs/swagger, by name, so that the package stays optional.
const SECURITY = "swagger/apiSecurity";
const SCHEME = "api_key";

/** Decorates a route, or a controller for its routes without needs of their own. */
const marking = (needs, security) => (target, name, descriptor) => {
  // By name, since another decorator may replace the function.
  const place = descriptor ? [target, name] : [target];
  if (Reflect.hasOwnMetadata(NEEDS, ...place)) throw new TypeError("give @Requires or @Public, and once");
  Reflect.defineMetadata(NEEDS, needs, ...place);
  // OpenAPI documents merge a controller with its routes, so each route is described separately.
  const routes = descriptor ? [descriptor.value] : methods(target).filter((it) => !Reflect.hasMetadata(SECURITY, it));
  for (const route of routes) Reflect.defineMetadata(SECURITY, security, route);
};

/** Returns the needs of a handler, or those of its controller. */
function needsOf(Class, handler) {
  const name = nameOf(Class.prototype, handler);
  return (name && Reflect.getMetadata(NEEDS, Class.prototype, name)) ?? Reflect.getMetadata(NEEDS, Class);
}

function nameOf(place, handler) {
  for (; place !== null; place = Object.getPrototypeOf(place)) {
    const found = Object.entries(Object.getOwnPropertyDescriptors(place)).find(([, it]) => it.value === handler);
    if (found) return found[0];
  }
}

function methods({ prototype }) {
  const { constructor: _, ...own } = Object.getOwnPropertyDescriptors(prototype);
  return Object.values(own).flatMap(({ value }) => (typeof value === "function" ? [value] : []));
}

/** Declares the needs of a route. */
function Requires(scopes, more) {
  const needs = Needs.of(scopes, more);
  const list = typeof scopes === "string" ? scopes.split(/[\s,]+/) : [...(scopes ?? [])];
  return marking(needs, [{ [SCHEME]: list }]);
}

/** Makes a route public. */
function Public() {
  return marking(new Needs({ access: "public" }), [{}]);
}

module.exports = { Public, Requires, needsOf };
