// The guard, once for all routes: a bundle has each module for itself.

import { guard } from "keywright/next";
import { http, kw, principal } from "../setup.mjs";

export const keys = (globalThis.keys ??= { principal, ...guard(kw, http) });
