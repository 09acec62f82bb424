import { appendFileSync } from "node:fs";

/** Calls each subject in turn, a block of items at a time, so that a disturbed moment hits all of them alike. */
export async function race(subjects, rounds, block) {
  const times = subjects.map(() => []);
  for (let round = 0; round < rounds; round += 1) {
    for (const [index, { call, items }] of subjects.entries()) {
      for (let step = 0; step < block; step += 1) {
        const item = items[(round * block + step) % items.length];
        const started = process.hrtime.bigint();
        const result = await call(item);
        times[index].push(Number(process.hrtime.bigint() - started));
        if (!result) throw new Error(`${subjects[index].figure} gave an unexpected answer`);
      }
    }
  }
  return times;
}

/** One line of JSON per figure; `report.py` reads them. */
export function record(file, subject, nanoseconds) {
  const sorted = nanoseconds.toSorted((a, b) => a - b);
  const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
  const line = {
    figure: subject.figure,
    subject: subject.name,
    scheme: subject.scheme,
    runs: sorted.length,
    median: at(0.5),
    p99: at(0.99),
    mean: sorted.reduce((sum, it) => sum + it, 0) / sorted.length,
  };
  appendFileSync(file, `${JSON.stringify(line)}\n`);
}
