/**
 * The clients that the daemon does not serve, and why. Shown only if there are
 * any.
 *
 * @module
 */

import { byId, element } from "./elements.js";

/** @import { UnservedJson } from "../../lib/machines/json.ts" */

const section = byId("unserved");
let shown = "";

/** @param {readonly UnservedJson[]} causes */
export function showUnserved(causes) {
  const text = JSON.stringify(causes);
  if (text === shown) return;
  shown = text;
  section.hidden = causes.length === 0;
  section.replaceChildren(
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
