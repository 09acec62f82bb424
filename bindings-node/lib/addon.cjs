"use strict";

// Loads the addon: the file beside this folder, else the package that npm installs for the platform.
// Every name is a literal inside a `try`, so that bundlers and file tracers find the files that exist and skip the others.

const target = `${process.platform}-${process.arch}${abi()}`;
const causes = [];

module.exports = beside() ?? installed() ?? fail();

/** Returns the last part of a target's name: the C library on Linux, the ABI on Windows. */
function abi() {
  if (process.platform === "win32") return "-msvc";
  if (process.platform !== "linux") return "";
  return usesMusl() ? "-musl" : "-gnu";
}

/** Tells whether the C library is musl. Only a process on glibc reports a glibc version. */
function usesMusl() {
  const { report } = process;
  if (typeof report?.getReport !== "function") return false;
  const { excludeNetwork } = report;
  report.excludeNetwork = true; // else the report may wait for name servers
  try {
    return !report.getReport().header.glibcVersionRuntime;
  } finally {
    report.excludeNetwork = excludeNetwork;
  }
}

function beside() {
  try {
    switch (target) {
      case "linux-x64-gnu":
        return require("../keywright.linux-x64-gnu.node");
      case "linux-arm64-gnu":
        return require("../keywright.linux-arm64-gnu.node");
      case "linux-x64-musl":
        return require("../keywright.linux-x64-musl.node");
      case "linux-arm64-musl":
        return require("../keywright.linux-arm64-musl.node");
      case "darwin-x64":
        return require("../keywright.darwin-x64.node");
      case "darwin-arm64":
        return require("../keywright.darwin-arm64.node");
      case "win32-x64-msvc":
        return require("../keywright.win32-x64-msvc.node");
    }
  } catch (error) {
    causes.push(error);
  }
}

function installed() {
  try {
    switch (target) {
      case "linux-x64-gnu":
        return require("keywright-linux-x64-gnu");
      case "linux-arm64-gnu":
        return require("keywright-linux-arm64-gnu");
      case "linux-x64-musl":
        return require("keywright-linux-x64-musl");
      case "linux-arm64-musl":
        return require("keywright-linux-arm64-musl");
      case "darwin-x64":
        return require("keywright-darwin-x64");
      case "darwin-arm64":
        return require("keywright-darwin-arm64");
      case "win32-x64-msvc":
        return require("keywright-win32-x64-msvc");
    }
  } catch (error) {
    causes.push(error);
  }
}

function fail() {
  throw new AggregateError(causes, `keywright cannot load its addon for ${target}${reason()}`);
}

/** Returns the cause with its fix. */
function reason() {
  if (causes.length === 0) return ": there is none for this platform";
  const broken = causes.find((error) => error?.code !== "MODULE_NOT_FOUND");
  if (broken?.code === "ERR_DLOPEN_FAILED") return `: the file is there, but the system cannot load it: ${broken.message}`;
  const tried = `tried keywright.${target}.node and the package keywright-${target}`;
  return (
    `${broken ? `: ${broken.message}` : ""} (${tried}). ` +
    "In a bundle, mark keywright as external and deploy node_modules/keywright with it (core/guide/bundling.md in the package); " +
    "else run `npm install` on this platform, with optional packages; in a checkout, run `npm run build`"
  );
}
