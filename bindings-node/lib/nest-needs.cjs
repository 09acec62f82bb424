"use strict";

const { Needs } = require("./http.cjs");

const NEEDS = "keywright:needs";

// What @nestjs/swagger reads: by name, so that an application can do without it.
const SECURITY = "swagger/apiSecurity";
const SCHEME = "api_key";

/** Marks a route, or a controller for those of its routes that say nothing else. */
const marking = (needs, security) => (target, name, descriptor) => {
  // By its name, since another decorator may put another function in its place.
  const place = descriptor ? [target, name] : [target];
  if (Reflect.hasOwnMetadata(NEEDS, ...place)) throw new TypeError("give @Requires or @Public, and once");
  Reflect.defineMetadata(NEEDS, needs, ...place);
  // Documents add what a controller says to what its route says, so that each route is told for itself.
  const routes = descriptor ? [descriptor.value] : methods(target).filter((it) => !Reflect.hasMetadata(SECURITY, it));
  for (const route of routes) Reflect.defineMetadata(SECURITY, security, route);
};

/** What a handler needs: as its name says, or its controller. */
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

/** What a route needs. */
function Requires(scopes, more) {
  const needs = Needs.of(scopes, more);
  const list = typeof scopes === "string" ? scopes.split(/[\s,]+/) : [...(scopes ?? [])];
  return marking(needs, [{ [SCHEME]: list }]);
}

/** Lets everybody in, with or without a key. */
function Public() {
  return marking(new Needs({ access: "public" }), [{}]);
}

module.exports = { Public, Requires, needsOf };
