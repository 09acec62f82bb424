// Copies a program and every file that it loads, as far as file tracing finds them, into a folder.

import { nodeFileTrace } from "@vercel/nft";
import { cp } from "node:fs/promises";
import { join } from "node:path";

const [, , program, folder] = process.argv;
const { fileList } = await nodeFileTrace([program]);
for (const file of fileList) await cp(file, join(folder, file));
