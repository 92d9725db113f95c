/**
 * The page for people. The server makes a plain table of machines; where
 * JavaScript runs, the page's own script draws a live one in its place, from
 * `/events`.
 *
 * It comes in pieces, a row for each machine, so that the server can write it
 * in slices. Files of the page are in `assets/page/`.
 *
 * @module
 */

import {
  FIRST_STAGE,
  LAST_STAGE,
  noteText,
  stageNames,
  stageWords,
} from "../../../assets/shared/boot_stages.js";
import {
  bootDuration,
  bootsOf,
  stagesOf,
} from "../../../assets/shared/boots.js";
import { escapeControls } from "../../../assets/shared/escape_controls.js";
import {
  formatDuration,
  formatTransfer,
} from "../../../assets/shared/format.js";
import type { MachineJson } from "../../machines/json.ts";

/** What the page may load, and from where: its own files, and nothing inline. */
export const CONTENT_SECURITY_POLICY = "default-src 'none'; " +
  "style-src 'self'; script-src 'self'; connect-src 'self'; " +
  "img-src 'self'; base-uri 'none'; form-action 'none'; " +
  "frame-ancestors 'none'";

/** What the page tells of the daemon. */
export interface PageOptions {
  /** The link that is served. */
  readonly interfaceName: string;
  /** As it was given. */
  readonly baseAddress: string;
  /** How many rows follow; none: what to do about it is said. */
  readonly machineCount: number;
}

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** Text as HTML that shows it, in an element or in a quoted attribute. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character]!);
}

function table(attributes: string, columns: readonly string[]): string {
  const cells = columns.map((column) =>
    `<th scope="col" role="columnheader">${column}</th>`
  );
  return `<table role="table" ${attributes}>
<caption class="unseen">Machines, the one that changed last first</caption>
<thead role="rowgroup"><tr role="row">${cells.join("")}</tr></thead>`;
}

function filter(value: string, text: string): string {
  return `<button type="button" value="${value}" aria-pressed="${
    value === "all"
  }">${text} <b>0</b></button>`;
}

/** Everything before the rows. */
export function pageHead(
  { interfaceName, baseAddress, machineCount }: PageOptions,
): string {
  const interfaceHtml = escapeHtml(escapeControls(interfaceName));
  const base = escapeHtml(escapeControls(baseAddress));
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Machines on ${interfaceHtml}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="/page/page.svg" type="image/svg+xml">
<link rel="stylesheet" href="/page/page.css">
</head>
<body>
<header>
<h1>Machines <small>on ${interfaceHtml} <span class="base">${base}</span></small></h1>
<p id="away" class="away" hidden>Not connected, trying again. What is shown may be out of date.</p>
</header>
<main>
<div id="live" hidden>
<div id="overview">
<div id="tools">
<input id="search" type="search" placeholder="MAC, name or address" aria-label="Search by MAC, name or address" autocomplete="off" autocapitalize="off" spellcheck="false">
<div id="filters" role="group" aria-label="Show">
${filter("all", "All")}
${filter("stuck", "Stuck")}
${filter("booting", "Booting")}
${filter("up", "Up")}
</div>
</div>
<div id="empty" hidden>${emptyText(interfaceHtml)}</div>
<p id="none" hidden></p>
${
    table('id="machines" hidden', ["Machine", "Boot", "Now"])
  }<tbody id="rows" role="rowgroup"></tbody></table>
<button id="more" type="button" hidden></button>
<button id="newer" type="button" hidden>Show the newest</button>
</div>
<section id="machine" aria-label="Machine" hidden></section>
<p id="said" class="unseen" role="status"></p>
</div>
<script type="module" async src="/page/page.js"></script>
<noscript>
${machineCount === 0 ? emptyText(interfaceHtml) : ""}${
    table('class="plain"', ["Machine", "Boot", "Now", "Since"])
  }<tbody role="rowgroup">
`;
}

function emptyText(interfaceHtml: string): string {
  return `<h2>No machine has asked for an address yet</h2>
<p>Machines ask only if router advertisements on ${interfaceHtml} have the M (managed) flag, and if UDP port 547 is open to them here. Switch one on, or have one renew its address: it appears here at once.</p>
`;
}

/** One machine; `name`: what the operator calls it. */
export function machineRow(
  { Mac, IPv6Address, Events }: MachineJson,
  name: string | undefined,
): string {
  const boot = bootsOf(Events).at(-1) ?? { steps: [] };
  const stages = stagesOf(boot);
  const last = stages.at(-1);
  const took = bootDuration(boot);
  const now = [
    last === undefined ? "" : stageWords(last.event, last.detail),
    last?.detail == null ? "" : formatTransfer(last.detail),
    took === undefined ? "" : `booted in ${formatDuration(took)}`,
    ...boot.steps.map(({ event }) => noteText(event) ?? ""),
  ].filter((text) => text !== "");
  const passed = stages.filter(({ event, end }) =>
    event !== FIRST_STAGE && event !== LAST_STAGE && end !== undefined
  ).map(({ event, at, end }) =>
    `${stageNames(event).short} ${formatDuration(end! - at)}`
  );
  const mac = escapeHtml(Mac);
  const who = name === undefined
    ? `<b>${mac}</b>`
    : `<b>${escapeHtml(escapeControls(name))}</b><br>${mac}`;
  const since = last?.timestamp.slice(0, 19).replace("T", " ") ?? "";
  return `<tr role="row"><th scope="row" role="rowheader">${who}<br>${
    escapeHtml(IPv6Address)
  }</th>${cell(passed.join(", "))}${cell(now.join(", "))}${
    cell(since === "" ? "" : `${since} UTC`)
  }</tr>\n`;
}

function cell(text: string): string {
  return `<td role="cell">${escapeHtml(text)}</td>`;
}

/** Everything after the rows. */
export function pageTail(): string {
  return `</tbody></table>
</noscript>
</main>
</body>
</html>
`;
}
