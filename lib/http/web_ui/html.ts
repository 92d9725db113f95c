/**
 * What the page and the plain table have in common.
 *
 * @module
 */

import { escapeControls } from "../../../assets/shared/escape_controls.js";

/** What the pages may load: the daemon's own files, and nothing inline. */
export const CONTENT_SECURITY_POLICY = "default-src 'none'; " +
  "style-src 'self'; script-src 'self'; connect-src 'self'; " +
  "img-src 'self'; base-uri 'none'; form-action 'none'; " +
  "frame-ancestors 'none'";

/** What both pages say of the daemon. */
export interface PageOptions {
  /** The interface that is served. */
  readonly interfaceName: string;
  /** As given on the command line. */
  readonly baseAddress: string;
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

/** The start of a page, up to the heading. */
export function documentHead(
  { interfaceName, baseAddress }: PageOptions,
  script = "",
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
${script}</head>
<body>
<header>
<h1><span id="headline">Machines</span> <small>on ${interfaceHtml} <span class="base">${base}</span></small></h1>
`;
}

/** The start of a table of machines, up to its rows. */
export function tableHead(
  attributes: string,
  columns: readonly string[],
): string {
  const cells = columns.map((column) =>
    `<th scope="col" role="columnheader">${column}</th>`
  );
  return `<table role="table" ${attributes}>
<caption class="unseen">Machines</caption>
<thead role="rowgroup"><tr role="row">${cells.join("")}</tr></thead>`;
}

/** What to do as long as no client has sent a DHCPv6 message. */
export function noMachinesText(interfaceName: string): string {
  const interfaceHtml = escapeHtml(escapeControls(interfaceName));
  return `<h2>No machine has asked for an address yet</h2>
<p>Clients send DHCPv6 messages only if router advertisements on ${interfaceHtml} have the M (managed) flag, and the messages arrive only if the firewall here lets UDP port 547 in. Start a machine, or have one renew its address.</p>
`;
}
