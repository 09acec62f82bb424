// Hooks of the addon that only builds for tests have: the cargo feature `testing`.

import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
const { settle } = require("../../bindings-node/lib/error.cjs");
const { engineOf } = require("../../bindings-node/lib/keywright.cjs");

export const addon = require("../../bindings-node/lib/addon.cjs");

/** Computes one case of the hash vectors. */
export const hashCase = (op, input) => settle(addon.hashCase(op, input));

/** Serves an engine at a Unix socket until it is closed. */
export const serve = async (kw, socket) => settle(await engineOf(kw).engine.serve(socket));

/** Writes a row into the database in the form of an earlier release. */
export const plant = async (kw, row) => settle(await engineOf(kw).engine.plant(row));
