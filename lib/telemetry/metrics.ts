/**
 * What the daemon counts and measures, in the form that all who read it share.
 *
 * @module
 */

/** Names and values that tell one sample of a metric from the others. */
export type Labels = Readonly<Record<string, string>>;

/** One value of a counter or a gauge. */
export interface Sample {
  readonly labels: Labels;
  readonly value: number;
}

/** A counter only ever rises; a gauge is what is so now. */
export interface NumberMetric {
  readonly type: "counter" | "gauge";
  readonly samples: readonly Sample[];
}

/** How often something took how long. */
export interface HistogramMetric {
  readonly type: "histogram";
  readonly histogram: Histogram;
}

/** A metric, named by Prometheus' conventions. */
export type Metric = (NumberMetric | HistogramMetric) & {
  readonly name: string;
  readonly help: string;
  /** As UCUM writes it: `s`, `By`, or `1`. */
  readonly unit: string;
};

/** Counts durations in classes. */
export class Histogram {
  /** How many were in each class; the last is above all bounds. */
  readonly counts: Float64Array;
  /** The sum of all, in seconds. */
  sum = 0;

  /** @param bounds The longest duration of each class, in seconds, rising. */
  constructor(readonly bounds: readonly number[]) {
    this.counts = new Float64Array(bounds.length + 1);
  }

  /** Counts a duration in seconds. */
  observe(seconds: number): void {
    const { bounds, counts } = this;
    let index = 0;
    while (index < bounds.length && seconds > bounds[index]!) index++;
    counts[index]!++;
    this.sum += seconds;
  }

  /** How many there were. */
  get count(): number {
    return this.counts.reduce((total, count) => total + count, 0);
  }
}

/** A metric that has one value. */
export function single(
  type: "counter" | "gauge",
  name: string,
  help: string,
  value: number,
  unit = "1",
): Metric {
  return { type, name, help, unit, samples: [{ labels: {}, value }] };
}

/** A metric that has a value for each word of a label. */
export function labelled(
  type: "counter" | "gauge",
  name: string,
  help: string,
  label: string,
  values: Iterable<readonly [string, number]>,
): Metric {
  return {
    type,
    name,
    help,
    unit: "1",
    samples: Array.from(
      values,
      ([word, value]) => ({ labels: { [label]: word }, value }),
    ),
  };
}
