// For runners that run a program.

import { cases } from "./cases";

(async () => {
  for (const run of Object.values(cases)) await run();
})();
