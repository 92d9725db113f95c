/**
 * The bodies of requests to a collector, in either encoding of OTLP/HTTP.
 *
 * @module
 */

import {
  type LogRecord,
  type OtlpMetric,
  type Resource,
  SCOPE,
} from "./encode.ts";
import {
  INSTRUMENTATION_SCOPE,
  LOG_RECORD,
  METRIC,
  RESOURCE,
} from "./message_types.ts";
import { joined, lengthOf } from "../../net/bytes.ts";
import { fieldHeader, MessageEncoder } from "./protobuf.ts";

/** The encodings, the default first. */
export const OTLP_ENCODINGS = ["protobuf", "json"] as const;
export type OtlpEncoding = typeof OTLP_ENCODINGS[number];

/** The OTLP signals that are exported. */
export type Signal = "metrics" | "logs";

/** A body and its type. */
export interface RequestBody {
  readonly contentType: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Log records, or data points of metrics: what a collector may reject. */
  readonly count: number;
}

/** A log record, or a metric with its data points. */
type Item = LogRecord | OtlpMetric;

/** An ExportLogsServiceRequest or ExportMetricsServiceRequest, item by item. */
export abstract class RequestWriter {
  #count = 0;

  constructor(readonly signal: Signal, readonly resource: Resource) {}

  add(item: Item): void {
    this.#count += countOf(item);
    this.addItem(item);
  }

  finish(): RequestBody {
    return { ...this.body(), count: this.#count };
  }

  protected abstract addItem(item: Item): void;

  protected abstract body(): Omit<RequestBody, "count">;
}

/** Begins a request. */
export function requestWriter(
  encoding: OtlpEncoding,
  signal: Signal,
  resource: Resource,
): RequestWriter {
  return encoding === "json"
    ? new JsonRequest(signal, resource)
    : new ProtobufRequest(signal, resource);
}

/** Protobuf's JSON, with enums as numbers and 64-bit integers as strings. */
class JsonRequest extends RequestWriter {
  readonly #items: string[] = [];

  protected override addItem(item: Item): void {
    this.#items.push(JSON.stringify(item));
  }

  protected override body(): Omit<RequestBody, "count"> {
    const [kind, items] = this.signal === "logs"
      ? ["Logs", "logRecords"]
      : ["Metrics", "metrics"];
    const text = `{"resource${kind}":[{"resource":${
      JSON.stringify(this.resource)
    },"scope${kind}":[{"scope":${JSON.stringify(SCOPE)},"${items}":[${
      this.#items.join(",")
    }]}]}]}`;
    return {
      contentType: "application/json",
      bytes: new TextEncoder().encode(text),
    };
  }
}

class ProtobufRequest extends RequestWriter {
  readonly #encoder = new MessageEncoder();
  readonly #items: Uint8Array[] = [];

  protected override addItem(item: Item): void {
    const type = this.signal === "logs" ? LOG_RECORD : METRIC;
    this.#items.push(...field(2, [this.#encoder.encode(type, item)]));
  }

  /** Both requests have the same numbers for the fields around their items. */
  protected override body(): Omit<RequestBody, "count"> {
    const scope = this.#encoder.encode(INSTRUMENTATION_SCOPE, SCOPE);
    const resource = this.#encoder.encode(RESOURCE, this.resource);
    const parts = field(1, [
      ...field(1, [resource]),
      ...field(2, [...field(1, [scope]), ...this.#items]),
    ]);
    return { contentType: "application/x-protobuf", bytes: joined(parts) };
  }
}

/** One log record, or the data points of a metric. */
function countOf(item: Item): number {
  if ("gauge" in item) return item.gauge.dataPoints.length;
  if ("sum" in item) return item.sum.dataPoints.length;
  return "histogram" in item ? item.histogram.dataPoints.length : 1;
}

/** A field with this content, in parts. */
function field(number: number, content: readonly Uint8Array[]): Uint8Array[] {
  return [fieldHeader(number, lengthOf(content)), ...content];
}
