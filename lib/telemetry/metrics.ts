/**
 * Metrics in the form that Prometheus text and OTLP are made from.
 *
 * @module
 */

/** Labels of a sample: values by name. */
export type Labels = Readonly<Record<string, string>>;

/** One value of a counter or a gauge. */
export interface Sample {
  readonly labels: Labels;
  readonly value: number;
}

/** A counter never decreases; a gauge is a current value. */
export interface NumberMetric {
  readonly type: "counter" | "gauge";
  readonly samples: readonly Sample[];
}

/** A distribution of durations. */
export interface HistogramMetric {
  readonly type: "histogram";
  readonly histogram: Histogram;
}

/** A metric, named by the conventions of Prometheus. */
export type Metric = (NumberMetric | HistogramMetric) & {
  readonly name: string;
  readonly help: string;
  /** A UCUM unit: `s`, `By` or `1`. */
  readonly unit: string;
};

/** Counts durations in buckets. */
export class Histogram {
  /** The count of each bucket; the last one is above all bounds. */
  readonly counts: Float64Array;
  /** The sum of all durations in seconds. */
  sum = 0;

  /** @param bounds The upper bounds of the buckets in seconds, ascending. */
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

  /** The number of durations. */
  get count(): number {
    return this.counts.reduce((total, count) => total + count, 0);
  }
}

/** A metric with one sample and no label. */
export function single(
  type: "counter" | "gauge",
  name: string,
  help: string,
  value: number,
  unit = "1",
): Metric {
  return { type, name, help, unit, samples: [{ labels: {}, value }] };
}

/** A metric with one label and a sample for each of its values. */
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
