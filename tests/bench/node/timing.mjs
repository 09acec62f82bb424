// Times subjects in turn and writes one line of JSON per figure; `report.py` reads them.

import { appendFileSync } from "node:fs";

/** How often each subject has its turn. Figures are medians over these rounds. */
const ROUNDS = 21;

/** Divides the work by QUICK, for a run that only shows that everything works. */
export const share = (of) => Math.max(1, Math.floor(of / Number(process.env.QUICK ?? 1)));

/**
 * Calls the subjects in turn, `block` calls of each in a round, so that a disturbance hits all of them alike.
 * `call` gets each of `items` in turn and must return something true. `times` is how many times one call does the thing:
 * more than once where reading the clock costs as much as the thing.
 */
export async function race(out, block, subjects) {
  block = share(block);
  const all = subjects.map(() => []);
  const medians = subjects.map(() => []);
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [index, { name, call, items = [undefined], times = 1 }] of subjects.entries()) {
      const spent = [];
      for (let step = 0; step < block; step += 1) {
        const item = items[(round * block + step) % items.length];
        const started = process.hrtime.bigint();
        const result = await call(item);
        spent.push(Number(process.hrtime.bigint() - started) / times);
        if (!result) throw new Error(`${name}: unexpected answer`);
      }
      all[index].push(...spent);
      medians[index].push(quantile(spent, 0.5));
    }
  }
  for (const [index, { name, times = 1 }] of subjects.entries()) {
    write(out, name, "ns", medians[index], quantile(all[index], 0.99), all[index].length * times);
  }
}

function quantile(of, part) {
  return of.toSorted((a, b) => a - b)[Math.min(of.length - 1, Math.floor(of.length * part))];
}

/** Writes a figure. */
export function write(out, name, unit, rounds, p99 = null, calls = null) {
  appendFileSync(out, `${JSON.stringify({ group: "Node", name, unit, rounds, p99, calls })}\n`);
}
