const UNITS: [Intl.RelativeTimeFormatUnit, number][] = [
  ["year", 365 * 86_400],
  ["month", 30 * 86_400],
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
];

/** Times as people of one language and zone write them. What is no time is shown as it came. */
export class Format {
  readonly #date: Intl.DateTimeFormat;
  readonly #moment: Intl.DateTimeFormat;
  readonly #relative: Intl.RelativeTimeFormat;

  constructor(lang: string, timeZone: string | null) {
    this.#date = inZone(lang, { dateStyle: "medium" }, timeZone);
    this.#moment = inZone(lang, { year: "numeric", month: "short", day: "numeric", hour: "numeric", minute: "2-digit", timeZoneName: "short" }, timeZone);
    this.#relative = new Intl.RelativeTimeFormat(lang, { numeric: "auto" });
  }

  date(time: string | number | Date): string {
    return this.#shown(this.#date, time);
  }

  moment(time: string | number | Date): string {
    return this.#shown(this.#moment, time);
  }

  /** "3 days ago", "in 2 hours". */
  relative(time: string): string {
    const seconds = (Date.parse(time) - Date.now()) / 1_000;
    if (Number.isNaN(seconds)) return time;
    const [unit, size] = UNITS.find(([, size]) => Math.abs(seconds) >= size) ?? ["minute", 60];
    return this.#relative.format(Math.round(seconds / size), unit);
  }

  #shown(format: Intl.DateTimeFormat, time: string | number | Date): string {
    const date = new Date(time);
    return Number.isNaN(date.getTime()) ? String(time) : format.format(date);
  }
}

/** Where a browser does not know the zone, its own. */
function inZone(lang: string, options: Intl.DateTimeFormatOptions, timeZone: string | null): Intl.DateTimeFormat {
  try {
    return new Intl.DateTimeFormat(lang, timeZone ? { ...options, timeZone } : options);
  } catch {
    return new Intl.DateTimeFormat(lang, options);
  }
}
