/**
 * The state of the daemon: whether it serves DHCPv6, which clients it does not
 * serve and why, and what it is.
 *
 * @module
 */

import { announce, byId, element, write } from "./elements.js";

/** @import { UnservedJson } from "../../lib/machines/json.ts" */
/** @import { StatusJson } from "../../lib/machines/status.ts" */

const headline = byId("headline");
const usual = headline.textContent;
const unserved = byId("unserved");
const about = byId("about");
let shown = "";

const STARTED = new Intl.DateTimeFormat([], {
  dateStyle: "medium",
  timeStyle: "short",
});

/** @param {StatusJson} status */
export function showStatus(status) {
  const { problem, version, started } = status;
  if (problem !== null && headline.textContent !== problem) announce(problem);
  write(headline, problem ?? usual);
  headline.classList.toggle("failed", problem !== null);
  showUnserved(status.unserved);
  const since = STARTED.format(new Date(started));
  write(
    about,
    `dhcpv6macd ${version} at ${location.host}, running since ${since}`,
  );
}

/** @param {readonly UnservedJson[]} causes */
function showUnserved(causes) {
  const text = JSON.stringify(causes);
  if (text === shown) return;
  shown = text;
  unserved.hidden = causes.length === 0;
  unserved.replaceChildren(
    element("h2", "", "Not served"),
    element("ul", "", ...causes.map(itemOf)),
  );
}

/** @param {UnservedJson} cause */
function itemOf({ count, mac, source, timestamp, message }) {
  if (timestamp === null) return element("li", "", message);
  const latest =
    `${count} ${count === 1 ? "message" : "messages"}, the latest ` +
    `from ${mac ?? source} at ${new Date(timestamp).toLocaleTimeString()}`;
  return element(
    "li",
    "",
    message,
    " ",
    element("small", "", latest),
  );
}
