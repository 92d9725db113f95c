/**
 * The explanation of a machine, as the page and the command show it.
 *
 * @module
 */

/** @import { ExplainedClient } from "../../lib/machines/explanation.ts" */

/**
 * Clients that get the same, for the same reason; none of the groups is empty.
 *
 * @param {readonly ExplainedClient[]} clients
 * @returns {[ExplainedClient, ...ExplainedClient[]][]}
 */
export function groupsOf(clients) {
  const groups = Map.groupBy(clients, ({ url, rule }) => `${url} ${rule}`);
  return /** @type {[ExplainedClient, ...ExplainedClient[]][]} */ ([
    ...groups.values(),
  ]);
}
