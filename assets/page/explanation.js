/**
 * Which boot URLs a machine gets, and why: fetched when it is opened.
 *
 * @module
 */

import { escapeControls } from "../shared/escape_controls.js";
import { groupsOf } from "../shared/explanation.js";
import { formatBytes } from "../shared/format.js";
import { element } from "./elements.js";

/** @import { ExplainedClient, ExplanationJson } from "../../lib/machines/explanation.ts" */

/** Characters of a path or a sentence that are shown. */
const MAX_SHOWN = 2048;

/** The id of the element, by which it stays open. */
const ID = "explanation";

/** The latest one, so that an event does not make it blink. */
let latest = { mac: "", parts: /** @type {Node[]} */ ([]) };

/**
 * An element that explains a machine.
 *
 * @param {string} mac
 * @param {Set<string>} open The ids of the elements that are open.
 */
export function explanationOf(mac, open) {
  const body = element("div", "told");
  const details = element(
    "details",
    "",
    element("summary", "", "Boot URLs and reasons"),
    body,
  );
  details.id = ID;
  if (latest.mac === mac) body.replaceChildren(...latest.parts);
  details.addEventListener("toggle", () => {
    if (details.open) void show(mac, body);
  });
  details.open = open.has(ID);
  return details;
}

/**
 * @param {string} mac
 * @param {HTMLElement} body
 */
async function show(mac, body) {
  const parts = await partsOf(mac);
  latest = { mac, parts };
  body.replaceChildren(...parts);
}

/**
 * @param {string} mac
 * @returns {Promise<Node[]>}
 */
async function partsOf(mac) {
  try {
    const response = await fetch(`/machines/${mac}/explain`);
    return response.ok
      ? partsOfExplanation(await response.json())
      : [element("p", "failed", (await response.text()).trim())];
  } catch {
    // The event stream reports a daemon that cannot be reached.
    return [element("p", "", "The daemon does not answer.")];
  }
}

/** @param {ExplanationJson} explanation */
function partsOfExplanation({ addresses, clients, problems }) {
  const list = element("dl");
  for (const { address, base_address } of addresses) {
    list.append(
      element("dt", "", `Base address ${base_address}`),
      element("dd", "", element("code", "", address)),
    );
  }
  for (const group of groupsOf(clients)) list.append(...entryOf(group));
  return [
    problems.length === 0 ? element("p", "", "No problem found.") : element(
      "ul",
      "failed",
      ...problems.map((problem) => element("li", "", shown(problem))),
    ),
    list,
  ];
}

/** @param {[ExplainedClient, ...ExplainedClient[]]} group */
function entryOf(group) {
  const [{ url, rule, file }] = group;
  const what = element(
    "dd",
    "",
    url === null ? "no boot URL" : element("code", "", shown(url)),
    element("small", "", shown(rule)),
  );
  if (file !== null) {
    what.append(
      file.problem === null
        ? element(
          "small",
          "",
          `${shown(file.path)}, ${formatBytes(file.bytes ?? 0)}`,
        )
        : element("small", "failed", shown(file.problem)),
    );
  }
  return [
    element("dt", "", group.map(({ client }) => client).join("; ")),
    what,
  ];
}

/** @param {string} text */
function shown(text) {
  return escapeControls(text, MAX_SHOWN);
}
