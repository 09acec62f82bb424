import testing from "./testing.cjs";

export const { ManualClock } = testing;
