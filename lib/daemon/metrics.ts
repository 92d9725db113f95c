/**
 * The daemon's metrics: the counters of its parts by metric name.
 *
 * @module
 */

import {
  isMessageType,
  messageName,
  OPTION_LABELS,
} from "../dhcpv6/wire/constants.ts";
import type { Dhcpv6Counters } from "../dhcpv6/server/counters.ts";
import { countOpenFds } from "../overload/fd_budget.ts";
import type { Log } from "../telemetry/log.ts";
import type { MachineRegistry } from "../machines/registry.ts";
import { codeOf, EVENTS, STAGES } from "../machines/boot_stages.ts";
import { PRESENCES } from "../machines/presence.ts";
import { labelled, type Metric, single } from "../telemetry/metrics.ts";
import type { OtlpExporter } from "../telemetry/otlp/exporter.ts";
import type { TftpServer } from "../tftp/server.ts";
import { VERSION } from "../telemetry/version.ts";
import type { HttpStack } from "./http_stack.ts";
import type { MachineTracker } from "./machine_tracker.ts";

/** The parts whose counters are exported. */
export interface MetricSources {
  readonly dhcpv6: Dhcpv6Counters;
  /** Whether DHCPv6 is served now. */
  readonly isServing: boolean;
  /** Whether the interface has an address in the base prefix. */
  readonly hasBasePrefix: boolean;
  readonly tftp: TftpServer;
  readonly http: HttpStack;
  readonly registry: MachineRegistry;
  readonly tracker: MachineTracker;
  /** Seconds without a message after which a machine counts as offline. */
  readonly validLifetime: number;
  readonly log: Log;
  /** `undefined` without a collector. */
  readonly otlp: OtlpExporter | undefined;
}

/** When the process started, in seconds since the Unix epoch. */
const STARTED = (Date.now() - performance.now()) / 1000;

/** All metrics with their current values. */
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

function processMetrics(
  { isServing, hasBasePrefix, log }: MetricSources,
): Metric[] {
  return [
    labelled(
      "gauge",
      "dhcpv6macd_build_info",
      "Always 1. The label holds the version.",
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
      "dhcpv6macd_base_prefix_present",
      "1 while the interface has an address in the base prefix, else 0.",
      hasBasePrefix ? 1 : 0,
    ),
    single(
      "gauge",
      "process_start_time_seconds",
      "Start time of the process since the Unix epoch in seconds.",
      STARTED,
      "s",
    ),
    single(
      "gauge",
      "process_resident_memory_bytes",
      "Resident memory size in bytes.",
      Deno.memoryUsage().rss,
      "By",
    ),
    ...descriptorMetrics(),
    labelled(
      "counter",
      "dhcpv6macd_log_lines_dropped_total",
      "Log lines dropped: the reader of stderr stalled, or a rate limit.",
      "reason",
      [["stalled", log.totalLost], ["too_many", log.totalSuppressed]],
    ),
  ];
}

function descriptorMetrics(): Metric[] {
  try {
    return [
      single(
        "gauge",
        "process_open_fds",
        "Number of open file descriptors.",
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
      "DHCPv6 messages received, by message type.",
      "type",
      byType(counters.received),
    ),
    labelled(
      "counter",
      "dhcpv6macd_dhcpv6_answered_total",
      "DHCPv6 messages answered, by message type of the request.",
      "type",
      byType(counters.answered),
    ),
    labelled(
      "counter",
      "dhcpv6macd_dhcpv6_dropped_total",
      "DHCPv6 messages dropped, by reason.",
      "reason",
      Object.entries(counters.dropped),
    ),
    labelled(
      "counter",
      "dhcpv6macd_dhcpv6_options_ignored_total",
      "Malformed options ignored in DHCPv6 messages, by option.",
      "option",
      OPTION_LABELS.map((name, label) =>
        [name, counters.malformed[label]!] as const
      ).filter(([, count]) => count > 0),
    ),
    {
      type: "histogram",
      name: "dhcpv6macd_dhcpv6_answer_duration_seconds",
      help:
        "Time from receiving a DHCPv6 message to sending its reply in seconds.",
      unit: "s",
      histogram: counters.answerTime,
    },
  ];
}

function byType(counts: Float64Array): [string, number][] {
  // One label for all unknown types: a client can send any of 242.
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
    labelled(
      "gauge",
      "dhcpv6macd_tftp_listening",
      "1 for each address at which TFTP is served.",
      "address",
      tftp.hostnames.map((hostname) => [hostname, 1]),
    ),
    single(
      "gauge",
      "dhcpv6macd_tftp_transfers",
      "TFTP transfers in progress.",
      tftp.transfers,
    ),
    labelled(
      "counter",
      "dhcpv6macd_tftp_transfers_total",
      "TFTP transfers ended, by outcome.",
      "outcome",
      Object.entries(tftp.ended),
    ),
    labelled(
      "counter",
      "dhcpv6macd_tftp_refused_total",
      "TFTP requests refused, by reason.",
      "reason",
      Object.entries(tftp.refused),
    ),
    single(
      "counter",
      "dhcpv6macd_tftp_sent_bytes_total",
      "Bytes of files acknowledged by TFTP clients.",
      tftp.sentBytes,
      "By",
    ),
  ];
}

function httpMetrics({ http }: MetricSources): Metric[] {
  const { router, downloads, eventStream, connections, connectionGuard } = http;
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
      "HTTP requests refused with 503 because a quota was used up, by kind.",
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
      "HTTP connections with a response in flight.",
      connections.answering,
    ),
    single(
      "counter",
      "dhcpv6macd_http_connections_closed_total",
      "HTTP connections closed because they sent no request or too much, or their client did not read.",
      connectionGuard.closed,
    ),
    single(
      "gauge",
      "dhcpv6macd_http_downloads",
      "Downloads of boot files in progress.",
      downloads.active,
    ),
    single(
      "counter",
      "dhcpv6macd_http_sent_bytes_total",
      "Bytes of boot files sent to HTTP clients.",
      downloads.sentBytes,
      "By",
    ),
  ];
}

function machineMetrics(
  { registry, tracker, validLifetime, http: { eventStream } }: MetricSources,
): Metric[] {
  const presences = registry.presenceCounts(
    1000 * validLifetime,
    performance.now(),
  );
  return [
    labelled(
      "gauge",
      "dhcpv6macd_machines",
      "Machines remembered, by boot stage.",
      "stage",
      STAGES.map((stage) => [stage, registry.stageCounts[codeOf(stage)]!]),
    ),
    labelled(
      "gauge",
      "dhcpv6macd_machine_states",
      "Machines remembered, by state: released since last heard, or offline after the valid lifetime.",
      "state",
      PRESENCES.map((presence) => [presence, presences[presence]]),
    ),
    single(
      "counter",
      "dhcpv6macd_machines_not_remembered_total",
      "Messages of new machines not remembered because of a rate limit.",
      tracker.rejected,
    ),
    labelled(
      "counter",
      "dhcpv6macd_forgotten_total",
      "Machines and events evicted because of --max-machines and --max-events.",
      "what",
      [
        ["machine", registry.evicted],
        ["event", registry.history.first - 1],
      ],
    ),
    labelled(
      "counter",
      "dhcpv6macd_machine_events_total",
      "Machine events, by event name.",
      "event",
      EVENTS.map((event, code) => [event, registry.eventCounts[code]!]),
    ),
    single(
      "gauge",
      "dhcpv6macd_event_readers",
      "Clients connected to the event stream.",
      eventStream.readers,
    ),
    single(
      "counter",
      "dhcpv6macd_event_readers_dropped_total",
      "Event stream clients disconnected because they were too slow.",
      eventStream.dropped,
    ),
    single(
      "counter",
      "dhcpv6macd_events_delivered_total",
      "Events sent to event stream clients, counted for each client.",
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
        "Requests to the OTLP collector, by signal and outcome. Failed requests are retried.",
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
      "Events for the OTLP collector, by outcome.",
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
      "Events not yet accepted by the OTLP collector.",
      otlp.waitingEvents,
    ),
  ];
}
