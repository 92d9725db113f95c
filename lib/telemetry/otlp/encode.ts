/**
 * Metrics and events as OTLP/HTTP carries them: protobuf's JSON, with enums as
 * numbers and 64-bit integers as strings.
 *
 * @module
 */

import type { MachineEvent } from "../../machines/event_history.ts";
import type { Timestamp } from "../../machines/event_clock.ts";
import { levelOf, transferText } from "../../daemon/machine_log.ts";
import type { Metric, Sample } from "../metrics.ts";
import { formatMac } from "../../net/mac.ts";
import { VERSION } from "../version.ts";

/** What is said of a thing; integers are text, as they have 64 bits. */
export type AnyValue =
  | { readonly stringValue: string }
  | { readonly intValue: string }
  | { readonly boolValue: boolean };

/** An attribute. */
export interface KeyValue {
  readonly key: string;
  readonly value: AnyValue;
}

/** Who tells: one run of a daemon. */
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

/** Numbers that JSON has no digits for are words. */
export type Double = number | string;

/** How often something took how long. */
export interface HistogramDataPoint {
  readonly attributes: readonly KeyValue[];
  readonly startTimeUnixNano: string;
  readonly timeUnixNano: string;
  readonly count: string;
  readonly sum: Double;
  /** One more than there are bounds. */
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

/** An event. */
export interface LogRecord {
  readonly timeUnixNano: string;
  readonly observedTimeUnixNano: string;
  readonly severityNumber: number;
  readonly severityText: string;
  readonly eventName: string;
  readonly body: AnyValue;
  readonly attributes: readonly KeyValue[];
}

/** Who a resource is. */
export interface ResourceIdentity {
  /** What no other run of a daemon has. */
  readonly run: string;
  readonly interfaceName: string;
  /** The base address of the interface's own link. */
  readonly baseAddress: string;
}

/** What an event is told with, besides itself. */
export interface EventContext {
  /** What no other event has, however often this one is sent. */
  readonly id: string;
  /** The machine's address. */
  readonly address: string;
  /** What people call the machine, if they have named it. */
  readonly name: string | undefined;
}

/** AGGREGATION_TEMPORALITY_CUMULATIVE: all since the daemon began. */
const CUMULATIVE = 2;

/** SeverityNumber and its text, by the level of the log line. */
const SEVERITIES = {
  warning: { severityNumber: 13, severityText: "WARN" },
  info: { severityNumber: 9, severityText: "INFO" },
  debug: { severityNumber: 5, severityText: "DEBUG" },
} as const;

const SCOPE = { name: "dhcpv6macd", version: VERSION };

/** The resource that one run of a daemon is. */
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
    ...SEVERITIES[levelOf(event, repeat, detail)],
    eventName: event,
    body: {
      stringValue: `${who}: ${event}` +
        (detail === null ? "" : ` ${transferText(detail)}`),
    },
    attributes: attributesOf({
      // Collectors older than the field eventName know only this.
      "event.name": event,
      "log.record.uid": id,
      "mac": who,
      "ipv6_address": address,
      "name": name,
      "repeat_event": repeat,
      ...detail !== null && {
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
  // A clock that was set back must not make a span of time end before it began.
  const startTimeUnixNano = nanoseconds(Math.min(since, now));
  const timeUnixNano = nanoseconds(now);
  const about = {
    name: metric.name,
    description: metric.help,
    // Collectors take a gauge of unit 1 for a ratio, and rename it.
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

/** An ExportLogsServiceRequest, in pieces of text. */
export function logsRequest(
  resource: Resource,
  records: Iterable<LogRecord>,
): Generator<string> {
  return request("Logs", "logRecords", resource, records);
}

/** An ExportMetricsServiceRequest, in pieces of text. */
export function metricsRequest(
  resource: Resource,
  metrics: Iterable<OtlpMetric>,
): Generator<string> {
  return request("Metrics", "metrics", resource, metrics);
}

function* request(
  signal: "Logs" | "Metrics",
  key: string,
  resource: Resource,
  items: Iterable<unknown>,
): Generator<string> {
  yield `{"resource${signal}":[{"resource":${
    JSON.stringify(resource)
  },"scope${signal}":[{"scope":${JSON.stringify(SCOPE)},"${key}":[`;
  let separator = "";
  for (const item of items) {
    yield separator + JSON.stringify(item);
    separator = ",";
  }
  yield "]}]}]}";
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

/** How the values of a metric are written: all alike, whatever they are now. */
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
