/**
 * What the list shows and how, kept in the query of the page's URL, so that a
 * link or a bookmark shows the same.
 *
 * @module
 */

/** @import { Progress } from "./progress.js" */

/** @typedef {"all" | Progress["kind"]} Filter Which machines are shown. */
/** @typedef {"change" | "name" | "state"} Order What the list is sorted by. */
/** @typedef {{query: string, filter: Filter, order: Order, isCompact: boolean}} View */

/** The states of a machine, in the order of `order: "state"`. */
export const KINDS = /** @type {const} */ ([
  "stuck",
  "booting",
  "up",
  "offline",
]);

/** @type {readonly Order[]} */
export const ORDERS = ["change", "name", "state"];

/** @type {readonly Filter[]} */
const FILTERS = ["all", ...KINDS];

/** Characters of a search that are used. */
const MAX_QUERY = 200;

/**
 * The view that a URL's query names; what it does not name, or names wrongly, is
 * as at first.
 *
 * @param {string} search With or without its "?".
 * @returns {View}
 */
export function viewIn(search) {
  const values = new URLSearchParams(search);
  return {
    query: (values.get("search") ?? "").slice(0, MAX_QUERY),
    filter: oneOf(FILTERS, values.get("show")),
    order: oneOf(ORDERS, values.get("sort")),
    isCompact: values.get("rows") === "compact",
  };
}

/**
 * The query of a view with its "?"; empty for the view at first.
 *
 * @param {View} view
 */
export function searchOf({ query, filter, order, isCompact }) {
  const values = new URLSearchParams();
  if (query !== "") values.set("search", query);
  if (filter !== FILTERS[0]) values.set("show", filter);
  if (order !== ORDERS[0]) values.set("sort", order);
  if (isCompact) values.set("rows", "compact");
  const text = values.toString();
  return text === "" ? "" : `?${text}`;
}

/**
 * @template {string} T
 * @param {readonly T[]} known The first is what another text stands for.
 * @param {string | null} text
 * @returns {T}
 */
function oneOf(known, text) {
  return known.find((one) => one === text) ?? /** @type {T} */ (known[0]);
}
