export * from "./nest.cjs";
