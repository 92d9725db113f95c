/**
 * Reads OTLP/HTTP JSON more strictly than a collector may: a name that the
 * protocol does not have, a number where it wants text, a missing part or one
 * without a meaning is an error that says where it is.
 *
 * @module
 */

/** A log record, as far as tests look at it. */
export interface ReadRecord {
  readonly timeUnixNano: string;
  readonly severityText: string;
  readonly eventName: string;
  readonly body: string;
  readonly attributes: Readonly<Record<string, unknown>>;
}

/** A value of a metric. */
export interface ReadPoint {
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly value: number;
}

/** What a request tells, by whom. */
export interface Read<Item> {
  readonly resource: Readonly<Record<string, unknown>>;
  readonly items: Item;
}

type Check = (value: unknown, path: string) => void;

function wrong(path: string, what: string, value: unknown): never {
  throw new Error(`${path}: ${what}, not ${JSON.stringify(value)}`);
}

function all(...checks: Check[]): Check {
  return (value, path) => checks.forEach((check) => check(value, path));
}

function text(pattern = /^[^]*$/): Check {
  return (value, path) => {
    if (typeof value !== "string" || !pattern.test(value)) {
      wrong(path, `text like ${pattern}`, value);
    }
  };
}

/** fixed64 and uint64, or int64: decimal digits as text, in range. */
function integer(min: bigint, max: bigint): Check {
  return all(text(/^(0|-?[1-9][0-9]*)$/), (value, path) => {
    const number = BigInt(value as string);
    if (number < min || number > max) wrong(path, "64 bits", value);
  });
}

const UINT64 = integer(0n, (1n << 64n) - 1n);
const INT64 = integer(-(1n << 63n), (1n << 63n) - 1n);

/** A time in nanoseconds, and none of long ago: a wrong unit shows here. */
const TIME = integer(1_600_000_000_000_000_000n, 4_000_000_000_000_000_000n);

const DOUBLE: Check = (value, path) => {
  const isWord = ["NaN", "Infinity", "-Infinity"].includes(value as string);
  if (typeof value !== "number" && !isWord) wrong(path, "a double", value);
};

const BOOLEAN: Check = (value, path) => {
  if (typeof value !== "boolean") wrong(path, "true or false", value);
};

function oneOf(...values: unknown[]): Check {
  return (value, path) => {
    if (!values.includes(value)) wrong(path, values.join(" or "), value);
  };
}

function list(item: Check, atLeast = 0): Check {
  return (value, path) => {
    if (!Array.isArray(value) || value.length < atLeast) {
      wrong(path, `a list of at least ${atLeast}`, value);
    }
    value.forEach((one, index) => item(one, `${path}[${index}]`));
  };
}

/** An object with these fields and no other; `?` at the end: may be missing. */
function message(fields: Readonly<Record<string, Check>>): Check {
  return (value, path) => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      wrong(path, "an object", value);
    }
    const given = new Map(Object.entries(value));
    for (const [key, check] of Object.entries(fields)) {
      const name = key.replace("?", "");
      if (given.has(name)) check(given.get(name), `${path}.${name}`);
      else if (name === key) wrong(path, `with ${name}`, value);
      given.delete(name);
    }
    const [unknown] = given.keys();
    if (unknown !== undefined) wrong(path, `without ${unknown}`, value);
  };
}

/** An object with these fields, and exactly one of the alternatives. */
function messageWithOne(
  alternatives: Readonly<Record<string, Check>>,
  fields: Readonly<Record<string, Check>> = {},
): Check {
  return (value, path) => {
    const given = Object.keys(value ?? {}).filter((key) => key in alternatives);
    if (given.length !== 1) {
      wrong(path, `one of ${Object.keys(alternatives)}`, value);
    }
    const [key] = given;
    message({ ...fields, [key!]: alternatives[key!]! })(value, path);
  };
}

const ANY_VALUE = messageWithOne({
  stringValue: text(),
  boolValue: BOOLEAN,
  intValue: INT64,
  doubleValue: DOUBLE,
});

const ATTRIBUTES: Check = all(
  list(message({ key: text(/./), value: ANY_VALUE })),
  (value, path) => {
    const keys = (value as { key: string }[]).map(({ key }) => key);
    if (new Set(keys).size !== keys.length) wrong(path, "keys once", keys);
  },
);

const RESOURCE = message({ attributes: ATTRIBUTES });
const SCOPE = message({ name: text(/./), version: text() });

const LOG_RECORD = message({
  timeUnixNano: TIME,
  observedTimeUnixNano: TIME,
  severityNumber: oneOf(...Array.from({ length: 24 }, (_, index) => index + 1)),
  severityText: text(/./),
  eventName: text(/./),
  body: ANY_VALUE,
  attributes: ATTRIBUTES,
});

const NUMBER_POINT = messageWithOne({ asInt: INT64, asDouble: DOUBLE }, {
  attributes: ATTRIBUTES,
  "startTimeUnixNano?": TIME,
  timeUnixNano: TIME,
});

const CUMULATIVE_POINT = all(NUMBER_POINT, startsBeforeItEnds);

const HISTOGRAM_POINT = all(
  message({
    attributes: ATTRIBUTES,
    startTimeUnixNano: TIME,
    timeUnixNano: TIME,
    count: UINT64,
    sum: DOUBLE,
    bucketCounts: list(UINT64),
    explicitBounds: list(DOUBLE),
  }),
  startsBeforeItEnds,
  (value, path) => {
    const { count, bucketCounts, explicitBounds } = value as {
      count: string;
      bucketCounts: string[];
      explicitBounds: number[];
    };
    if (bucketCounts.length !== explicitBounds.length + 1) {
      wrong(path, "one bucket more than bounds", value);
    }
    const sum = bucketCounts.reduce((sum, one) => sum + BigInt(one), 0n);
    if (sum !== BigInt(count)) wrong(path, "a count that is the sum", value);
    const isRising = explicitBounds.every((bound, index) =>
      index === 0 || bound > explicitBounds[index - 1]!
    );
    if (!isRising) wrong(path, "rising bounds", value);
  },
);

function startsBeforeItEnds(value: unknown, path: string): void {
  const { startTimeUnixNano, timeUnixNano } = value as Record<string, string>;
  if (
    startTimeUnixNano === undefined ||
    BigInt(startTimeUnixNano) > BigInt(timeUnixNano!)
  ) wrong(path, "a start before the end", value);
}

/** AGGREGATION_TEMPORALITY_DELTA and _CUMULATIVE. */
const TEMPORALITY = oneOf(1, 2);

const METRIC = messageWithOne({
  gauge: message({ dataPoints: list(NUMBER_POINT, 1) }),
  sum: message({
    dataPoints: list(CUMULATIVE_POINT, 1),
    aggregationTemporality: TEMPORALITY,
    isMonotonic: BOOLEAN,
  }),
  histogram: message({
    dataPoints: list(HISTOGRAM_POINT, 1),
    aggregationTemporality: TEMPORALITY,
  }),
}, {
  name: text(/^[a-z][a-z0-9_.\-/]{0,254}$/i),
  description: text(),
  unit: text(/^[\x21-\x7e]{0,63}$/),
});

function request(signal: "Logs" | "Metrics", key: string, item: Check): Check {
  return message({
    [`resource${signal}`]: list(
      message({
        resource: RESOURCE,
        [`scope${signal}`]: list(
          message({ scope: SCOPE, [key]: list(item, 1) }),
          1,
        ),
      }),
      1,
    ),
  });
}

const LOGS_REQUEST = request("Logs", "logRecords", LOG_RECORD);
const METRICS_REQUEST = request("Metrics", "metrics", METRIC);

interface Attribute {
  readonly key: string;
  readonly value: Readonly<Record<string, unknown>>;
}

function attributesOf(
  attributes: readonly Attribute[],
): Record<string, unknown> {
  return Object.fromEntries(
    attributes.map(({ key, value }) => [
      key,
      "intValue" in value ? Number(value.intValue) : Object.values(value)[0],
    ]),
  );
}

/**
 * Reads an ExportLogsServiceRequest.
 *
 * @throws {Error} if anything in it is not as the protocol has it.
 */
export function readLogs(json: string): Read<ReadRecord[]> {
  const value = JSON.parse(json);
  LOGS_REQUEST(value, "request");
  const [{ resource, scopeLogs: [{ logRecords }] }] = value.resourceLogs;
  return {
    resource: attributesOf(resource.attributes),
    items: logRecords.map((record: Record<string, unknown>) => ({
      ...record,
      body: (record.body as { stringValue: string }).stringValue,
      attributes: attributesOf(record.attributes as Attribute[]),
    })),
  };
}

/**
 * Reads an ExportMetricsServiceRequest; a histogram's value is its count.
 *
 * @throws {Error} if anything in it is not as the protocol has it.
 */
export function readMetrics(json: string): Read<Map<string, ReadPoint[]>> {
  const value = JSON.parse(json);
  METRICS_REQUEST(value, "request");
  const [{ resource, scopeMetrics: [{ metrics }] }] = value.resourceMetrics;
  const points = new Map<string, ReadPoint[]>();
  for (const { name, gauge, sum, histogram } of metrics) {
    if (points.has(name)) wrong("request", `${name} once`, name);
    points.set(
      name,
      (gauge ?? sum ?? histogram).dataPoints.map((
        point: Record<string, unknown>,
      ) => ({
        attributes: attributesOf(point.attributes as Attribute[]),
        value: Number(point.asInt ?? point.asDouble ?? point.count),
      })),
    );
  }
  return { resource: attributesOf(resource.attributes), items: points };
}
