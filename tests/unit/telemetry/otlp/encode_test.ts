import {
  assert,
  assertEquals,
  assertNotEquals,
  assertThrows,
} from "@std/assert";
import type { MachineEvent } from "../../../../lib/machines/event_history.ts";
import { EVENTS } from "../../../../lib/machines/boot_stages.ts";
import {
  Histogram,
  labelled,
  type Metric,
  single,
} from "../../../../lib/telemetry/metrics.ts";
import {
  type LogRecord,
  logRecord,
  type NumberDataPoint,
  type OtlpMetric,
  otlpMetric,
  resourceOf,
} from "../../../../lib/telemetry/otlp/encode.ts";
import { readMessage } from "../../../../lib/telemetry/otlp/protobuf.ts";
import {
  type OtlpEncoding,
  type RequestBody,
  requestWriter,
  type Signal,
} from "../../../../lib/telemetry/otlp/request.ts";
import { VERSION } from "../../../../lib/telemetry/version.ts";
import {
  decodeProtobuf,
  throughProtobuf,
  withoutEmptyLists,
} from "./protobuf.ts";
import { readLogs, readMetrics } from "../../../support/otlp_strict.ts";

/** 2025-10-13T20:08:24.394955Z, in microseconds. */
const THEN = 1_760_386_104_394_955;
const SINCE = 1_760_386_000_000_000;

const RESOURCE = resourceOf({
  run: "0123456789abcdef",
  interfaceName: "eth1",
  baseAddress: "2001:db8:123:4567::",
});

const RESOURCE_JSON = {
  attributes: [
    { key: "service.name", value: { stringValue: "dhcpv6macd" } },
    { key: "service.version", value: { stringValue: VERSION } },
    { key: "service.instance.id", value: { stringValue: "0123456789abcdef" } },
    { key: "network.interface.name", value: { stringValue: "eth1" } },
    { key: "base_address", value: { stringValue: "2001:db8:123:4567::" } },
  ],
};

const EVENT: MachineEvent = {
  mac: 0x02005e005301,
  subnetIndex: 0,
  event: "http_fetch_uki",
  timestamp: THEN,
  repeat: true,
  detail: {
    protocol: "http",
    file_name: "boot.efi",
    state: "error",
    sent_bytes: 5_242_880,
    total_bytes: 12_000_000,
    error: 'the "client"\nhas left',
  },
};

const CONTEXT = {
  id: "0123456789abcdef-7",
  address: "2001:db8:123:4567:0:200:5e00:5301",
  name: "rack 1",
};

function histogram(...seconds: number[]): Metric {
  const histogram = new Histogram([0.001, 0.5]);
  for (const duration of seconds) histogram.observe(duration);
  return {
    type: "histogram",
    name: "answer_duration_seconds",
    help: "How long.",
    unit: "s",
    histogram,
  };
}

function requestOf(
  encoding: OtlpEncoding,
  signal: Signal,
  items: readonly (LogRecord | OtlpMetric)[],
): RequestBody {
  const writer = requestWriter(encoding, signal, RESOURCE);
  for (const item of items) writer.add(item);
  return writer.finish();
}

function textOf({ contentType, bytes }: RequestBody): string {
  assertEquals(contentType, "application/json");
  return new TextDecoder().decode(bytes);
}

function recordsOf(...events: MachineEvent[]): LogRecord[] {
  return events.map((event) => logRecord(event, CONTEXT));
}

function otlpMetrics(...metrics: Metric[]): OtlpMetric[] {
  return metrics.map((metric) => otlpMetric(metric, SINCE, THEN))
    .filter((metric) => metric !== undefined);
}

function metricsText(...metrics: Metric[]): string {
  return textOf(requestOf("json", "metrics", otlpMetrics(...metrics)));
}

function logsText(...events: MachineEvent[]): string {
  return textOf(requestOf("json", "logs", recordsOf(...events)));
}

// deno-lint-ignore no-explicit-any
type Decoded = any;

/** One of every kind. */
const METRICS = [
  labelled("counter", "answers_total", "Answers, by type.", "type", [
    ["solicit", 3],
    ["request", 0],
  ]),
  single("gauge", "process_start_time_seconds", "When.", 1.5, "s"),
  single("counter", "sent_bytes_total", "Octets.", 2 ** 53 - 1, "By"),
  histogram(0.0005, 0.001, 0.25, 7),
];

Deno.test("OTLP JSON", async (t) => {
  await t.step("of an event", () => {
    assertEquals(JSON.parse(logsText(EVENT)), {
      resourceLogs: [{
        resource: RESOURCE_JSON,
        scopeLogs: [{
          scope: { name: "dhcpv6macd", version: VERSION },
          logRecords: [{
            timeUnixNano: "1760386104394955000",
            observedTimeUnixNano: "1760386104394955000",
            severityNumber: 9,
            severityText: "INFO",
            eventName: "http_fetch_uki",
            body: {
              stringValue:
                '02:00:5e:00:53:01: http_fetch_uki boot.efi over HTTP: error after 5.0 of 11.4 MiB: the "client"\\u{a}has left',
            },
            attributes: [
              { key: "event.name", value: { stringValue: "http_fetch_uki" } },
              {
                key: "log.record.uid",
                value: { stringValue: "0123456789abcdef-7" },
              },
              { key: "mac", value: { stringValue: "02:00:5e:00:53:01" } },
              {
                key: "ipv6_address",
                value: { stringValue: "2001:db8:123:4567:0:200:5e00:5301" },
              },
              { key: "name", value: { stringValue: "rack 1" } },
              { key: "repeat_event", value: { boolValue: true } },
              { key: "detail.protocol", value: { stringValue: "http" } },
              { key: "detail.file_name", value: { stringValue: "boot.efi" } },
              { key: "detail.state", value: { stringValue: "error" } },
              { key: "detail.sent_bytes", value: { intValue: "5242880" } },
              { key: "detail.total_bytes", value: { intValue: "12000000" } },
              {
                key: "detail.error",
                value: { stringValue: 'the "client"\nhas left' },
              },
            ],
          }],
        }],
      }],
    });
  });

  await t.step(
    "of an event with nothing besides, of a machine without a name",
    () => {
      const record = logRecord(
        { ...EVENT, event: "os_init", repeat: false, detail: null },
        { ...CONTEXT, name: undefined },
      );
      assertEquals(record.body, { stringValue: "02:00:5e:00:53:01: os_init" });
      assertEquals(record.attributes.map(({ key }) => key), [
        "event.name",
        "log.record.uid",
        "mac",
        "ipv6_address",
        "repeat_event",
      ]);
    },
  );

  await t.step("of metrics", () => {
    const startTimeUnixNano = "1760386000000000000";
    const timeUnixNano = "1760386104394955000";
    assertEquals(JSON.parse(metricsText(...METRICS)), {
      resourceMetrics: [{
        resource: RESOURCE_JSON,
        scopeMetrics: [{
          scope: { name: "dhcpv6macd", version: VERSION },
          metrics: [{
            name: "answers_total",
            description: "Answers, by type.",
            unit: "",
            sum: {
              dataPoints: [["solicit", "3"], ["request", "0"]].map((
                [stringValue, asInt],
              ) => ({
                attributes: [{ key: "type", value: { stringValue } }],
                startTimeUnixNano,
                timeUnixNano,
                asInt,
              })),
              aggregationTemporality: 2,
              isMonotonic: true,
            },
          }, {
            name: "process_start_time_seconds",
            description: "When.",
            unit: "s",
            gauge: {
              dataPoints: [{ attributes: [], timeUnixNano, asDouble: 1.5 }],
            },
          }, {
            name: "sent_bytes_total",
            description: "Octets.",
            unit: "By",
            sum: {
              dataPoints: [{
                attributes: [],
                startTimeUnixNano,
                timeUnixNano,
                asInt: "9007199254740991",
              }],
              aggregationTemporality: 2,
              isMonotonic: true,
            },
          }, {
            name: "answer_duration_seconds",
            description: "How long.",
            unit: "s",
            histogram: {
              dataPoints: [{
                attributes: [],
                startTimeUnixNano,
                timeUnixNano,
                count: "4",
                sum: 0.0005 + 0.001 + 0.25 + 7,
                bucketCounts: ["2", "1", "1"],
                explicitBounds: [0.001, 0.5],
              }],
              aggregationTemporality: 2,
            },
          }],
        }],
      }],
    });
  });

  await t.step("of seconds that happen to be whole, as of others", () => {
    const text = metricsText(single("gauge", "a", "", 3, "s"));
    assertEquals(/"as[^}]*/.exec(text)?.[0], '"asDouble":3');
  });

  await t.step("of numbers that JSON has no digits for", () => {
    for (const value of [NaN, Infinity, -Infinity]) {
      const text = metricsText(single("gauge", "a", "", value));
      assertEquals(/"as[^}]*/.exec(text)?.[0], `"asDouble":"${value}"`);
    }
  });

  await t.step("of a clock that was set back since the start", () => {
    const [metric] = METRICS;
    const written = otlpMetric(metric!, THEN, SINCE);
    assert(written !== undefined && "sum" in written);
    const [{ startTimeUnixNano, timeUnixNano }] = written.sum.dataPoints as [
      NumberDataPoint,
    ];
    assertEquals(timeUnixNano, `${SINCE}000`);
    assertEquals(startTimeUnixNano, timeUnixNano);
  });

  await t.step("of a metric without a value: none", () => {
    const metric = labelled("counter", "a_total", "", "type", []);
    assertEquals(otlpMetric(metric, SINCE, THEN), undefined);
  });

  await t.step("has the log line's level as severity", () => {
    const severityOf = (event: MachineEvent) =>
      logRecord(event, CONTEXT).severityText;
    const quiet = { ...EVENT, detail: null };
    assertEquals(severityOf({ ...quiet, repeat: false }), "INFO");
    assertEquals(severityOf(quiet), "DEBUG");
    assertEquals(severityOf(EVENT), "INFO");
    assertEquals(
      severityOf({ ...EVENT, detail: { ...EVENT.detail!, state: "sending" } }),
      "DEBUG",
    );
    assertEquals(
      severityOf({ ...EVENT, detail: { ...EVENT.detail!, state: "complete" } }),
      "INFO",
    );
    assertEquals(severityOf({ ...quiet, event: "address_declined" }), "WARN");
  });

  await t.step("of a refused request has the path and the reason", () => {
    const { body, attributes } = logRecord({
      ...EVENT,
      event: "boot_refused",
      detail: { protocol: "tftp", path: "a\nb", reason: "not found" },
    }, CONTEXT);
    assertEquals(body, {
      stringValue:
        "02:00:5e:00:53:01: boot_refused a\\u{a}b over TFTP: not found",
    });
    assertEquals(attributes.slice(-3), [
      { key: "detail.protocol", value: { stringValue: "tftp" } },
      { key: "detail.path", value: { stringValue: "a\nb" } },
      { key: "detail.reason", value: { stringValue: "not found" } },
    ]);
  });

  await t.step("is what a strict reader takes", () => {
    const events = EVENTS.map((event) => ({ ...EVENT, event }));
    const { items } = readLogs(logsText(...events));
    assertEquals(items.map(({ eventName }) => eventName), [...EVENTS]);
    assertEquals(items[0]!.attributes["detail.sent_bytes"], 5_242_880);
    const metrics = readMetrics(metricsText(...METRICS));
    assertEquals([...metrics.items.keys()].length, METRICS.length);
    assertEquals(metrics.resource["network.interface.name"], "eth1");
  });

  await t.step(
    "is what the protocol's own definitions take, and all of it",
    () => {
      const logs = JSON.parse(logsText(EVENT, { ...EVENT, detail: null }));
      assertEquals(throughProtobuf("logs", logs), logs);
      const metrics = JSON.parse(metricsText(...METRICS));
      assertEquals(
        throughProtobuf("metrics", metrics),
        withoutEmptyLists(metrics),
      );
    },
  );
});

Deno.test("OTLP protobuf", async (t) => {
  /** What the protocol's own definitions read, which must be all of it. */
  function decoded(
    signal: Signal,
    items: readonly (LogRecord | OtlpMetric)[],
  ): unknown {
    const { contentType, bytes } = requestOf("protobuf", signal, items);
    assertEquals(contentType, "application/x-protobuf");
    return decodeProtobuf(signal, bytes);
  }

  await t.step("says the same as JSON", () => {
    const events = EVENTS.map((event) => ({ ...EVENT, event }));
    assertEquals(
      decoded("logs", recordsOf(...events, { ...EVENT, detail: null })),
      JSON.parse(logsText(...events, { ...EVENT, detail: null })),
    );
    assertEquals(
      decoded("metrics", otlpMetrics(...METRICS)),
      withoutEmptyLists(JSON.parse(metricsText(...METRICS))),
    );
  });

  await t.step("of numbers at the ends of their ranges", () => {
    const values = [
      -(2 ** 53) + 1,
      2 ** 53 - 1,
      0,
      -1,
      127,
      128,
      2 ** 32,
      0.1,
      -0,
      5e-324,
      Number.MAX_VALUE,
    ];
    for (const value of [...values, NaN, Infinity, -Infinity]) {
      const gauge = otlpMetrics(single("gauge", "a", "", value));
      const [{ scopeMetrics: [{ metrics: [metric] }] }] =
        (decoded("metrics", gauge) as Decoded).resourceMetrics;
      const [point] = metric.gauge.dataPoints;
      assertEquals(
        Object.is(Number(point.asInt ?? point.asDouble), value) ||
          Object.is(value, -0),
        true,
        `${value}`,
      );
    }
    for (const count of [-(2 ** 53) + 1, -1, 0, 300, 2 ** 53 - 1]) {
      const detail = { ...EVENT.detail!, total_bytes: count };
      const records = recordsOf({ ...EVENT, detail });
      assertEquals(
        decoded("logs", records),
        JSON.parse(textOf(requestOf("json", "logs", records))),
      );
    }
  });

  await t.step("of texts of any length, in any script", () => {
    for (const length of [0, 1, 127, 128, 1000, 20_000]) {
      for (const character of ["x", "\u00e9", "\u{1f600}", "\0"]) {
        const file_name = character.repeat(length);
        const event = { ...EVENT, detail: { ...EVENT.detail!, file_name } };
        assertEquals(
          decoded("logs", recordsOf(event)),
          JSON.parse(logsText(event)),
        );
      }
    }
  });

  await t.step("of nothing, and of very much", () => {
    for (const count of [0, 1, 512]) {
      const request = decoded("logs", recordsOf(...Array(count).fill(EVENT)));
      const { resourceLogs: [{ scopeLogs: [{ logRecords = [] }] }] } =
        request as Decoded;
      assertEquals(logRecords.length, count);
    }
  });

  await t.step("counts what a collector may reject", () => {
    for (const encoding of ["json", "protobuf"] as const) {
      const { count } = requestOf(encoding, "metrics", otlpMetrics(...METRICS));
      assertEquals(count, 5);
      assertEquals(requestOf(encoding, "logs", recordsOf(EVENT)).count, 1);
    }
  });
});

Deno.test("answers in protobuf", async (t) => {
  await t.step("are read field by field", () => {
    // 1: 300, 2: "old", 3: fixed32, 4: fixed64, 1 again: 2^64 - 1
    const fields = readMessage(
      Uint8Array.fromHex(
        "08ac02" + "12036f6c64" + "1d01000000" + "210200000000000000" +
          "08ffffffffffffffffff01",
      ),
    )!;
    assertEquals(fields.get(1), 2n ** 64n - 1n);
    assertEquals(new TextDecoder().decode(fields.get(2) as Uint8Array), "old");
    assertEquals([...fields.keys()], [1, 2, 3, 4]);
  });

  await t.step("that are malformed are none", () => {
    for (
      const hex of [
        "08",
        "08ff",
        "12",
        "1205ff",
        "12ffffffffffffffffff01",
        "1d00",
        "2100",
        "00",
        "0b",
        "0e",
        "08ffffffffffffffffffffff01",
      ]
    ) assertEquals(readMessage(Uint8Array.fromHex(hex)), undefined, hex);
    assertEquals(readMessage(new Uint8Array())?.size, 0);
  });
});

Deno.test("the strict reader and the protocol's definitions", async (t) => {
  const good = () => JSON.parse(logsText(EVENT));
  const recordOf = (request: ReturnType<typeof good>) =>
    request.resourceLogs[0].scopeLogs[0].logRecords[0];
  const changes: [string, (record: Record<string, unknown>) => void][] = [
    ["time_unix_nano", (record) => {
      record.time_unix_nano = record.timeUnixNano;
    }],
    ["a time as a number", (record) => {
      record.timeUnixNano = Number(record.timeUnixNano);
    }],
    ["a severity as a word", (record) => {
      record.severityNumber = "SEVERITY_NUMBER_INFO";
    }],
    ["an integer as a number", (record) => {
      record.attributes = [{ key: "a", value: { intValue: 5 } }];
    }],
    ["a body that is plain text", (record) => {
      record.body = "text";
    }],
  ];
  for (const [what, change] of changes) {
    await t.step(`are not fooled by ${what}`, () => {
      const request = good();
      change(recordOf(request));
      assertThrows(() => readLogs(JSON.stringify(request)), Error);
      let through: unknown;
      try {
        through = throughProtobuf("logs", request);
      } catch {
        return; // Refused altogether.
      }
      assertNotEquals(through, request);
    });
  }
});
