// Writes the programs of the guide's page on bundling into a folder; the first line of each names its file.

import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

const [, , page, folder] = process.argv;
const blocks = (await readFile(page, "utf8")).matchAll(/^```js\n\/\/ (\S+)\n(.*?)^```$/gms);
for (const [, name, program] of blocks) await writeFile(join(folder, name), program);
