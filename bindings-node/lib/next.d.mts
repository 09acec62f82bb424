export * from "./next.cjs";
