/**
 * The daemon's metrics: what its parts have counted, under their names.
 *
 * @module
 */

import { isMessageType, messageName } from "../dhcpv6/wire/constants.ts";
import type { Dhcpv6Counters } from "../dhcpv6/server/counters.ts";
import type { Router } from "../http/router.ts";
import { countOpenFds } from "../overload/fd_budget.ts";
import type { Downloads } from "../http/download.ts";
import type { Log } from "../telemetry/log.ts";
import type { EventStream } from "../http/event_stream.ts";
import type { MachineRegistry } from "../machines/registry.ts";
import { codeOf, EVENTS, STAGES } from "../machines/boot_stages.ts";
import { labelled, type Metric, single } from "../telemetry/metrics.ts";
import type { OtlpExporter } from "../telemetry/otlp/exporter.ts";
import type { TftpServer } from "../tftp/server.ts";
import { VERSION } from "../telemetry/version.ts";

/** The parts that count. */
export interface MetricSources {
  readonly dhcpv6: Dhcpv6Counters;
  /** Whether DHCPv6 is served now. */
  readonly isServing: boolean;
  readonly tftp: TftpServer;
  readonly downloads: Downloads;
  /** HTTP connections that are being answered. */
  readonly answering: number;
  /** HTTP connections that were closed for doing nothing. */
  readonly closedConnections: number;
  readonly router: Router;
  readonly registry: MachineRegistry;
  /** Machines that were new and too many. */
  readonly notRemembered: number;
  readonly eventStream: EventStream;
  readonly log: Log;
  /** If there is a collector to push to. */
  readonly otlp: OtlpExporter | undefined;
}

/** Seconds since 1970 at which this process began. */
const STARTED = (Date.now() - performance.now()) / 1000;

/** What the parts say now. */
export function metricsOf(sources: MetricSources): Metric[] {
  return [
    ...processMetrics(sources),
    ...dhcpv6Metrics(sources.dhcpv6),
    ...tftpMetrics(sources.tftp),
    ...httpMetrics(sources),
    ...machineMetrics(sources),
    ...sources.otlp === undefined ? [] : otlpMetrics(sources.otlp),
  ];
}

function processMetrics({ isServing, log }: MetricSources): Metric[] {
  return [
    labelled(
      "gauge",
      "dhcpv6macd_build_info",
      "Always 1; the label tells the version.",
      "version",
      [[VERSION, 1]],
    ),
    single(
      "gauge",
      "dhcpv6macd_serving",
      "1 while DHCPv6 is served on the interface, else 0.",
      isServing ? 1 : 0,
    ),
    single(
      "gauge",
      "process_start_time_seconds",
      "When this process began, in seconds since 1970.",
      STARTED,
      "s",
    ),
    single(
      "gauge",
      "process_resident_memory_bytes",
      "Memory of this process that is in RAM.",
      Deno.memoryUsage().rss,
      "By",
    ),
    ...descriptorMetrics(),
    labelled(
      "counter",
      "dhcpv6macd_log_lines_dropped_total",
      "Log lines that were not written: lost to a stalled reader, or held back for being too many.",
      "reason",
      [["stalled", log.lostInAll], ["too_many", log.heldBackInAll]],
    ),
  ];
}

function descriptorMetrics(): Metric[] {
  try {
    return [
      single(
        "gauge",
        "process_open_fds",
        "File descriptors that this process has open.",
        countOpenFds(),
      ),
    ];
  } catch {
    return [];
  }
}

function dhcpv6Metrics(counters: Dhcpv6Counters): Metric[] {
  return [
    labelled(
      "counter",
      "dhcpv6macd_dhcpv6_received_total",
      "DHCPv6 messages read, by the client's message type.",
      "type",
      byType(counters.received),
    ),
    labelled(
      "counter",
      "dhcpv6macd_dhcpv6_answered_total",
      "DHCPv6 messages answered, by the client's message type.",
      "type",
      byType(counters.answered),
    ),
    labelled(
      "counter",
      "dhcpv6macd_dhcpv6_dropped_total",
      "DHCPv6 messages that got no answer, by reason.",
      "reason",
      Object.entries(counters.dropped),
    ),
    {
      type: "histogram",
      name: "dhcpv6macd_dhcpv6_answer_duration_seconds",
      help: "From a message being read to its answer being sent.",
      unit: "s",
      histogram: counters.answerTime,
    },
  ];
}

function byType(counts: Float64Array): [string, number][] {
  // Numbers of types that do not exist are one label, not 200.
  const sums = new Map<string, number>();
  counts.forEach((count, type) => {
    if (count === 0) return;
    const word = isMessageType(type) ? messageName(type) : "unknown";
    sums.set(word, (sums.get(word) ?? 0) + count);
  });
  return [...sums];
}

function tftpMetrics(tftp: TftpServer): Metric[] {
  return [
    single(
      "gauge",
      "dhcpv6macd_tftp_transfers",
      "TFTP transfers that go on.",
      tftp.transfers,
    ),
    labelled(
      "counter",
      "dhcpv6macd_tftp_transfers_total",
      "TFTP transfers that have ended, by how.",
      "outcome",
      Object.entries(tftp.ended),
    ),
    labelled(
      "counter",
      "dhcpv6macd_tftp_refused_total",
      "TFTP requests that were not served, by reason.",
      "reason",
      Object.entries(tftp.refused),
    ),
    single(
      "counter",
      "dhcpv6macd_tftp_sent_bytes_total",
      "Octets of files that TFTP clients have confirmed.",
      tftp.sentBytes,
      "By",
    ),
  ];
}

function httpMetrics(
  { router, downloads, eventStream, answering, closedConnections }:
    MetricSources,
): Metric[] {
  return [
    labelled(
      "counter",
      "dhcpv6macd_http_responses_total",
      "HTTP responses, by status.",
      "status",
      [...router.answered].map(([status, count]) => [String(status), count]),
    ),
    labelled(
      "counter",
      "dhcpv6macd_http_refused_total",
      "HTTP requests that were refused for too many of their kind going on.",
      "kind",
      [
        ["download", downloads.quota.refused],
        ["events", eventStream.quota.refused],
        ["answer", router.quota.refused],
      ],
    ),
    single(
      "gauge",
      "dhcpv6macd_http_connections_answered",
      "HTTP connections that are being answered.",
      answering,
    ),
    single(
      "counter",
      "dhcpv6macd_http_connections_closed_total",
      "HTTP connections that were closed because too many did nothing, about.",
      closedConnections,
    ),
    single(
      "gauge",
      "dhcpv6macd_http_downloads",
      "Downloads of boot files that go on.",
      downloads.active,
    ),
    single(
      "counter",
      "dhcpv6macd_http_sent_bytes_total",
      "Octets of boot files handed to HTTP clients.",
      downloads.sentBytes,
      "By",
    ),
  ];
}

function machineMetrics(
  { registry, notRemembered, eventStream }: MetricSources,
): Metric[] {
  return [
    labelled(
      "gauge",
      "dhcpv6macd_machines",
      "Machines that are remembered, by the stage of their boot.",
      "stage",
      STAGES.map((stage) => [stage, registry.stageCounts[codeOf(stage)]!]),
    ),
    single(
      "counter",
      "dhcpv6macd_machines_not_remembered_total",
      "Solicits of new machines that were not remembered for being too many at once.",
      notRemembered,
    ),
    labelled(
      "counter",
      "dhcpv6macd_forgotten_total",
      "Machines, and events, that had to go for later ones.",
      "what",
      [
        ["machine", registry.evicted],
        ["event", registry.history.first - 1],
      ],
    ),
    labelled(
      "counter",
      "dhcpv6macd_machine_events_total",
      "What happened to machines, by event.",
      "event",
      EVENTS.map((event, code) => [event, registry.eventCounts[code]!]),
    ),
    single(
      "gauge",
      "dhcpv6macd_event_readers",
      "Readers of the event stream.",
      eventStream.readers,
    ),
    single(
      "counter",
      "dhcpv6macd_event_readers_dropped_total",
      "Readers of the event stream that did not keep up.",
      eventStream.dropped,
    ),
    single(
      "counter",
      "dhcpv6macd_events_delivered_total",
      "Events sent, once for each reader.",
      eventStream.delivered,
    ),
  ];
}

function otlpMetrics(otlp: OtlpExporter): Metric[] {
  return [
    {
      type: "counter",
      name: "dhcpv6macd_otlp_requests_total",
      help:
        "Requests to the OTLP collector, by what was in them and how they ended: failed ones are made again.",
      unit: "1",
      samples: Object.entries(otlp.requests).flatMap(([signal, outcomes]) =>
        Object.entries(outcomes).map(([outcome, value]) => ({
          labels: { signal, outcome },
          value,
        }))
      ),
    },
    labelled(
      "counter",
      "dhcpv6macd_otlp_events_total",
      "Events that the OTLP collector has taken, that it has refused, and that were lost before it took them.",
      "outcome",
      [
        ["delivered", otlp.deliveredEvents],
        ["refused", otlp.refusedEvents],
        ["lost", otlp.lostEvents],
      ],
    ),
    single(
      "gauge",
      "dhcpv6macd_otlp_events_waiting",
      "Events that the OTLP collector has not answered for yet.",
      otlp.waitingEvents,
    ),
  ];
}
