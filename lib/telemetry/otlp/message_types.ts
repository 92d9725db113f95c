/**
 * The fields of OTLP's messages that the daemon sends, with their numbers in
 * protobuf (opentelemetry-proto 1.x). Their names are those of the JSON encoding.
 *
 * @module
 */

import { messageType } from "./protobuf.ts";

const ANY_VALUE = messageType({
  stringValue: [1, "string"],
  boolValue: [2, "bool"],
  intValue: [3, "int64"],
});

const KEY_VALUE = messageType({
  key: [1, "string"],
  value: [2, ANY_VALUE],
});

export const RESOURCE = messageType({ attributes: [1, KEY_VALUE] });

export const INSTRUMENTATION_SCOPE = messageType({
  name: [1, "string"],
  version: [2, "string"],
});

export const LOG_RECORD = messageType({
  timeUnixNano: [1, "fixed64"],
  severityNumber: [2, "enum"],
  severityText: [3, "string"],
  body: [5, ANY_VALUE],
  attributes: [6, KEY_VALUE],
  observedTimeUnixNano: [11, "fixed64"],
  eventName: [12, "string"],
});

const NUMBER_DATA_POINT = messageType({
  startTimeUnixNano: [2, "fixed64"],
  timeUnixNano: [3, "fixed64"],
  asDouble: [4, "double"],
  asInt: [6, "sfixed64"],
  attributes: [7, KEY_VALUE],
});

const HISTOGRAM_DATA_POINT = messageType({
  startTimeUnixNano: [2, "fixed64"],
  timeUnixNano: [3, "fixed64"],
  count: [4, "fixed64"],
  sum: [5, "double"],
  bucketCounts: [6, "fixed64s"],
  explicitBounds: [7, "doubles"],
  attributes: [9, KEY_VALUE],
});

export const METRIC = messageType({
  name: [1, "string"],
  description: [2, "string"],
  unit: [3, "string"],
  gauge: [5, messageType({ dataPoints: [1, NUMBER_DATA_POINT] })],
  sum: [
    7,
    messageType({
      dataPoints: [1, NUMBER_DATA_POINT],
      aggregationTemporality: [2, "enum"],
      isMonotonic: [3, "bool"],
    }),
  ],
  histogram: [
    9,
    messageType({
      dataPoints: [1, HISTOGRAM_DATA_POINT],
      aggregationTemporality: [2, "enum"],
    }),
  ],
});
