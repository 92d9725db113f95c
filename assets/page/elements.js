/**
 * Helpers for the elements of the page.
 *
 * @module
 */

/**
 * An element with a class and children; text is text, never markup.
 *
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {string} className
 * @param {...(Node | string)} children
 */
export function element(tag, className = "", ...children) {
  const made = document.createElement(tag);
  if (className !== "") made.className = className;
  made.append(...children);
  return made;
}

/**
 * An element of the HTML that the daemon sends.
 *
 * @param {string} id
 */
export function byId(id) {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`cannot find #${id}`);
  return found;
}

/**
 * Sets an element's text if it differs.
 *
 * @param {Node} node
 * @param {string} text
 */
export function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/**
 * Announces a text to screen readers.
 *
 * @param {string} text
 */
export function announce(text) {
  write(byId("said"), text);
}

/**
 * A button that copies its text.
 *
 * @param {string} className
 * @param {string} text
 */
export function copyable(className, text) {
  const button = element("button", `copy ${className}`, text);
  button.type = "button";
  button.title = "Copy";
  button.addEventListener("click", (event) => {
    copy(button.textContent);
    announce(`Copied ${button.textContent}`);
    button.classList.add("copied");
    setTimeout(() => button.classList.remove("copied"), 1200);
    // The focus in the list holds its order: a pointer must not leave it there.
    if (event.detail > 0) button.blur();
  });
  return button;
}

/**
 * Copies text. Browsers have no clipboard API on plain HTTP, so it is selected
 * and copied by a command.
 *
 * @param {string} text
 */
function copy(text) {
  const focused = document.activeElement;
  const field = element("textarea", "unseen");
  field.value = text;
  document.body.append(field);
  field.select();
  document.execCommand("copy");
  field.remove();
  if (focused instanceof HTMLElement) focused.focus({ preventScroll: true });
}
