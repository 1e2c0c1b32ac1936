/** Typed access to the page's elements. */

/**
 * The first element in `root` that matches, of the given class. Raises `TypeError` if there is none.
 * @template {HTMLElement | SVGElement} T
 * @overload
 * @param {ParentNode} root
 * @param {string} selector
 * @param {new () => T} type
 * @returns {T}
 */
/**
 * @overload
 * @param {ParentNode} root
 * @param {string} selector
 * @returns {HTMLElement}
 */
/**
 * @param {ParentNode} root
 * @param {string} selector
 * @param {new () => HTMLElement | SVGElement} type
 */
export function find(root, selector, type = HTMLElement) {
  const element = root.querySelector(selector);
  if (!(element instanceof type)) throw new TypeError(`the page has no ${type.name} ${selector}`);
  return element;
}
