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
 * An element that the server has put into the page.
 *
 * @param {string} id
 */
export function byId(id) {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`cannot find #${id}`);
  return found;
}

/**
 * Changes an element's text, if it is another one.
 *
 * @param {Node} node
 * @param {string} text
 */
export function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/**
 * Tells people who hear the page something, now and then.
 *
 * @param {string} text
 */
export function say(text) {
  write(byId("said"), text);
}

/**
 * A text that is copied when it is pressed.
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
    say(`Copied ${button.textContent}`);
    button.classList.add("copied");
    setTimeout(() => button.classList.remove("copied"), 1200);
    // Who points does not want the focus to stay, which holds the list still.
    if (event.detail > 0) button.blur();
  });
  return button;
}

/**
 * Copies text. Over plain HTTP there is no clipboard to write to, so it is
 * selected and copied as by hand.
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
