/**
 * Metrics and events as OTLP has them, as objects of protobuf's JSON: enums are
 * numbers and 64-bit integers are strings.
 *
 * @module
 */

import { isRefusal } from "../../machines/boot_refusal.ts";
import { severityOf } from "../../machines/boot_stages.ts";
import type { MachineEvent } from "../../machines/event_history.ts";
import type { Timestamp } from "../../machines/event_clock.ts";
import { formatDetail, transferIn } from "../../../assets/shared/format.js";
import type { Metric, Sample } from "../metrics.ts";
import { formatMac } from "../../net/mac.ts";
import { VERSION } from "../version.ts";

/** The value of an attribute; 64-bit integers are strings in OTLP/JSON. */
export type AnyValue =
  | { readonly stringValue: string }
  | { readonly intValue: string }
  | { readonly boolValue: boolean };

/** An attribute. */
export interface KeyValue {
  readonly key: string;
  readonly value: AnyValue;
}

/** The resource: one run of a daemon. */
export interface Resource {
  readonly attributes: readonly KeyValue[];
}

/** A value of a counter or a gauge. */
export type NumberDataPoint =
  & {
    readonly attributes: readonly KeyValue[];
    readonly startTimeUnixNano?: string;
    readonly timeUnixNano: string;
  }
  & ({ readonly asInt: string } | { readonly asDouble: Double });

/** NaN and infinities are strings in OTLP/JSON. */
export type Double = number | string;

/** A histogram data point. */
export interface HistogramDataPoint {
  readonly attributes: readonly KeyValue[];
  readonly startTimeUnixNano: string;
  readonly timeUnixNano: string;
  readonly count: string;
  readonly sum: Double;
  /** One more count than there are bounds. */
  readonly bucketCounts: readonly string[];
  readonly explicitBounds: readonly number[];
}

/** A metric. */
export type OtlpMetric =
  & {
    readonly name: string;
    readonly description: string;
    readonly unit: string;
  }
  & (
    | { readonly gauge: { readonly dataPoints: readonly NumberDataPoint[] } }
    | {
      readonly sum: {
        readonly dataPoints: readonly NumberDataPoint[];
        readonly aggregationTemporality: number;
        readonly isMonotonic: true;
      };
    }
    | {
      readonly histogram: {
        readonly dataPoints: readonly HistogramDataPoint[];
        readonly aggregationTemporality: number;
      };
    }
  );

/** A log record: one event. */
export interface LogRecord {
  readonly timeUnixNano: string;
  readonly observedTimeUnixNano: string;
  readonly severityNumber: number;
  readonly severityText: string;
  readonly eventName: string;
  readonly body: AnyValue;
  readonly attributes: readonly KeyValue[];
}

/** What identifies a resource. */
export interface ResourceIdentity {
  /** Unique to one run of a daemon. */
  readonly run: string;
  readonly interfaceName: string;
  /** The base address of the interface's own subnet. */
  readonly baseAddress: string;
}

/** What a log record holds besides the event. */
export interface EventContext {
  /** Unique to the event, the same if it is sent again. */
  readonly id: string;
  /** The machine's address. */
  readonly address: string;
  /** Its name from --names. */
  readonly name: string | undefined;
}

/** AGGREGATION_TEMPORALITY_CUMULATIVE: totals since the daemon started. */
const CUMULATIVE = 2;

/** SeverityNumber and its text, by the level of the log line. */
const SEVERITIES = {
  warning: { severityNumber: 13, severityText: "WARN" },
  info: { severityNumber: 9, severityText: "INFO" },
  debug: { severityNumber: 5, severityText: "DEBUG" },
} as const;

/** The instrumentation scope of all metrics and log records. */
export const SCOPE = { name: "dhcpv6macd", version: VERSION };

/** The resource of one run of a daemon. */
export function resourceOf(
  { run, interfaceName, baseAddress }: ResourceIdentity,
): Resource {
  return {
    attributes: attributesOf({
      "service.name": "dhcpv6macd",
      "service.version": VERSION,
      "service.instance.id": run,
      "network.interface.name": interfaceName,
      "base_address": baseAddress,
    }),
  };
}

/** An event as a log record. */
export function logRecord(
  { mac, event, timestamp, repeat, detail }: MachineEvent,
  { id, address, name }: EventContext,
): LogRecord {
  const who = formatMac(mac);
  const time = nanoseconds(timestamp);
  return {
    timeUnixNano: time,
    observedTimeUnixNano: time,
    ...SEVERITIES[severityOf(event, repeat, transferIn(detail)?.state)],
    eventName: event,
    body: {
      stringValue: `${who}: ${event}` +
        (detail === null ? "" : ` ${formatDetail(detail)}`),
    },
    attributes: attributesOf({
      // For collectors older than the field eventName.
      "event.name": event,
      "log.record.uid": id,
      "mac": who,
      "ipv6_address": address,
      "name": name,
      "repeat_event": repeat,
      ...isRefusal(detail)
        ? {
          "detail.protocol": detail.protocol,
          "detail.path": detail.path,
          "detail.reason": detail.reason,
        }
        : detail !== null && {
          "detail.protocol": detail.protocol,
          "detail.file_name": detail.file_name,
          "detail.state": detail.state,
          "detail.sent_bytes": detail.sent_bytes,
          "detail.total_bytes": detail.total_bytes,
          "detail.error": detail.error,
        },
    }),
  };
}

/**
 * A metric, or nothing if it has no value yet.
 *
 * @param since When it began to count.
 * @param now When it was read.
 */
export function otlpMetric(
  metric: Metric,
  since: Timestamp,
  now: Timestamp,
): OtlpMetric | undefined {
  // The wall clock may have been set back: an interval must not be negative.
  const startTimeUnixNano = nanoseconds(Math.min(since, now));
  const timeUnixNano = nanoseconds(now);
  const about = {
    name: metric.name,
    description: metric.help,
    // Prometheus exporters append "_ratio" to a gauge of unit 1.
    unit: metric.unit === "1" ? "" : metric.unit,
  };
  if (metric.type === "histogram") {
    const { counts, count, sum, bounds } = metric.histogram;
    const point = {
      attributes: [],
      startTimeUnixNano,
      timeUnixNano,
      count: String(count),
      sum: double(sum),
      bucketCounts: Array.from(counts, String),
      explicitBounds: bounds,
    };
    return {
      ...about,
      histogram: { dataPoints: [point], aggregationTemporality: CUMULATIVE },
    };
  }
  if (metric.samples.length === 0) return undefined;
  const valueOf = numberOf(metric.unit, metric.samples);
  if (metric.type === "gauge") {
    const dataPoints = metric.samples.map(({ labels, value }) => ({
      attributes: attributesOf(labels),
      timeUnixNano,
      ...valueOf(value),
    }));
    return { ...about, gauge: { dataPoints } };
  }
  const dataPoints = metric.samples.map(({ labels, value }) => ({
    attributes: attributesOf(labels),
    startTimeUnixNano,
    timeUnixNano,
    ...valueOf(value),
  }));
  return {
    ...about,
    sum: { dataPoints, aggregationTemporality: CUMULATIVE, isMonotonic: true },
  };
}

function attributesOf(
  values: Readonly<Record<string, string | number | boolean | undefined>>,
): KeyValue[] {
  const attributes: KeyValue[] = [];
  for (const [key, value] of Object.entries(values)) {
    if (value !== undefined) attributes.push({ key, value: anyValue(value) });
  }
  return attributes;
}

function anyValue(value: string | number | boolean): AnyValue {
  if (typeof value === "string") return { stringValue: value };
  if (typeof value === "boolean") return { boolValue: value };
  return { intValue: String(value) };
}

/** The field for the values of a metric: the same at every export. */
function numberOf(
  unit: string,
  samples: readonly Sample[],
): (value: number) => { asInt: string } | { asDouble: Double } {
  const areWhole = unit !== "s" &&
    samples.every(({ value }) => Number.isSafeInteger(value));
  return areWhole
    ? (value) => ({ asInt: String(value) })
    : (value) => ({ asDouble: double(value) });
}

function double(value: number): Double {
  return Number.isFinite(value) ? value : String(value);
}

function nanoseconds(timestamp: Timestamp): string {
  return `${timestamp}000`;
}
