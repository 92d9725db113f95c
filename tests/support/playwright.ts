/** What drives a browser, from npm, at one version for all tests. */
export {
  type Browser,
  chromium,
  type Locator,
  type Page,
} from "npm:playwright-core@1.65.1";
