import { withKeywright } from "keywright/next";

// The tracing root is the folder that has Next in its `node_modules`.
export default withKeywright({ output: "standalone", outputFileTracingRoot: process.env.TRACING_ROOT });
