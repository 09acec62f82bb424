import testing from "./testing.cjs";

export const { ManualClock, hashCase, plant } = testing;
