/**
 * The plain table at `/plain`, for browsers without JavaScript. It has a row for
 * each machine and comes in pieces, so that the daemon can write it in slices.
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
  notesOf,
  stagesOf,
} from "../../../assets/shared/boots.js";
import { escapeControls } from "../../../assets/shared/escape_controls.js";
import {
  formatDuration,
  formatTransfer,
  transferIn,
} from "../../../assets/shared/format.js";
import type { MachineJson } from "../../machines/json.ts";
import {
  documentHead,
  escapeHtml,
  noMachinesText,
  type PageOptions,
  tableHead,
} from "./html.ts";

/** What the start of the table says. */
export interface PlainOptions extends PageOptions {
  /** Rows that follow. */
  readonly machineCount: number;
  /** Milliseconds since 1970. */
  readonly now: number;
}

/** Everything before the rows. */
export function plainHead(options: PlainOptions): string {
  const { interfaceName, machineCount, now } = options;
  return `${documentHead(options)}</header>
<main>
<p class="muted">As of ${
    timeText(new Date(now).toISOString())
  }. Reload to update, or open the <a href="/">live page</a>, which needs JavaScript.</p>
${
    machineCount === 0
      ? noMachinesText(interfaceName)
      : `${
        tableHead('class="plain"', ["Machine", "Boot", "Now", "Since"])
      }<tbody role="rowgroup">\n`
  }`;
}

/** The row of a machine, with the `name` that the operator gave it. */
export function machineRow(
  { Mac, IPv6Address, Events, State, LastHeard }: MachineJson,
  name: string | undefined,
): string {
  const boot = bootsOf(Events).at(-1) ?? { steps: [] };
  const stages = stagesOf(boot);
  const last = stages.at(-1);
  const transfer = transferIn(last?.detail);
  const took = bootDuration(boot);
  const now = [
    last === undefined ? "" : stageWords(last.event, last.detail),
    transfer === null ? "" : formatTransfer(transfer),
    took === undefined ? "" : `booted in ${formatDuration(took)}`,
    ...notesOf(boot).map(({ event, detail }) => noteText(event, detail) ?? ""),
    State === undefined || State === "online" || LastHeard === undefined
      ? ""
      : `${State}, last heard ${timeText(LastHeard)}`,
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
  const since = last === undefined ? "" : timeText(last.timestamp);
  return `<tr role="row"><th scope="row" role="rowheader">${who}<br>${
    escapeHtml(IPv6Address)
  }</th>${cell(passed.join(", "))}${cell(now.join(", "))}${cell(since)}</tr>\n`;
}

function cell(text: string): string {
  return `<td role="cell">${escapeHtml(text)}</td>`;
}

/** The date and time of a timestamp, which is in UTC, in whole seconds. */
function timeText(timestamp: string): string {
  return `${timestamp.slice(0, 19).replace("T", " ")} UTC`;
}

/** Everything after the rows. */
export function plainTail(
  { machineCount }: Pick<PlainOptions, "machineCount">,
): string {
  return `${machineCount === 0 ? "" : "</tbody></table>\n"}</main>
</body>
</html>
`;
}
