/**
 * The protocol's own definitions, as OpenTelemetry's SDK for JavaScript was
 * generated from them: a second opinion on what is JSON of the protocol.
 *
 * @module
 */

import { definitions } from "./opentelemetry.ts";

interface MessageType {
  fromObject(value: unknown): unknown;
  encode(message: unknown): { finish(): Uint8Array };
  decode(bytes: Uint8Array): unknown;
  toObject(
    message: unknown,
    options: { longs: typeof String; json?: true },
  ): unknown;
}

interface Service {
  readonly v1: Readonly<Record<string, MessageType>>;
}

const { collector } = (definitions as unknown as {
  opentelemetry: { proto: { collector: Record<string, Service> } };
}).opentelemetry.proto;

const TYPES = {
  logs: collector.logs!.v1.ExportLogsServiceRequest!,
  metrics: collector.metrics!.v1.ExportMetricsServiceRequest!,
};

/** A request, written as protobuf and read again: what it does not know is gone. */
export function throughProtobuf(
  signal: keyof typeof TYPES,
  request: unknown,
): unknown {
  const type = TYPES[signal];
  const bytes = type.encode(type.fromObject(request)).finish();
  return type.toObject(type.decode(bytes), { longs: String });
}

/**
 * A request as its JSON would say it.
 *
 * @throws {Error} if there is anything that the definitions do not know, or that
 * they would write otherwise.
 */
export function decodeProtobuf(
  signal: keyof typeof TYPES,
  bytes: Uint8Array,
): unknown {
  const type = TYPES[signal];
  const message = type.decode(bytes);
  const again = type.encode(message).finish();
  if (!equal(bytes, again)) {
    throw new Error(
      `${signal}: ${bytes.length} bytes are not the ${again.length} that the definitions write`,
    );
  }
  return type.toObject(message, { longs: String, json: true });
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}

/** The same without empty lists: protobuf does not tell them from none. */
export function withoutEmptyLists(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutEmptyLists);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, one]) => !(Array.isArray(one) && one.length === 0))
      .map(([key, one]) => [key, withoutEmptyLists(one)]),
  );
}
