/**
 * The page at `/`: empty elements that its script fills from `/events`. The
 * page's files are in `assets/page/` and `assets/shared/`.
 *
 * @module
 */

import {
  documentHead,
  noMachinesText,
  type PageOptions,
  tableHead,
} from "./html.ts";

function filter(value: string, text: string): string {
  return `<button type="button" value="${value}" aria-pressed="${
    value === "all"
  }">${text} <b>0</b></button>`;
}

/** The page, which is the same for any number of machines. */
export function pageHtml(options: PageOptions): string {
  const script = '<script type="module" src="/page/page.js"></script>\n';
  return `${
    documentHead(options, script)
  }<p id="away" class="away" hidden>Not connected, trying again. What is shown may be out of date.</p>
</header>
<main>
<noscript><p>This page needs JavaScript; <a href="/plain">the plain table of machines</a> does not.</p></noscript>
<div id="live" hidden>
<div id="overview">
<div id="tools">
<input id="search" type="search" placeholder="MAC, name or address" aria-label="Search by MAC, name or address" autocomplete="off" autocapitalize="off" spellcheck="false">
<div id="filters" role="group" aria-label="Show">
${filter("all", "All")}
${filter("stuck", "Stuck")}
${filter("booting", "Booting")}
${filter("up", "Up")}
${filter("offline", "Offline")}
</div>
<select id="order" aria-label="Order" autocomplete="off">
<option value="change">Latest change first</option>
<option value="name">By name</option>
<option value="state">By state</option>
</select>
<button id="compact" type="button" aria-pressed="false">Compact</button>
</div>
<section id="unserved" class="unserved" aria-label="Clients not served" hidden></section>
<div id="empty" hidden>${noMachinesText(options.interfaceName)}</div>
<p id="none" hidden></p>
${
    tableHead('id="machines" hidden', [
      "Machine",
      "Boot: the longer, the wider",
      "Now",
    ])
  }<tbody id="rows" role="rowgroup"></tbody></table>
<button id="more" type="button" hidden></button>
<button id="newer" type="button" hidden>Show the newest</button>
</div>
<section id="machine" aria-label="Machine" hidden></section>
<p id="said" class="unseen" role="status"></p>
</div>
</main>
<footer id="about" class="about"></footer>
</body>
</html>
`;
}
