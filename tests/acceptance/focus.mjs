/** Waits until the element that matches a selector has the focus: browsers move it after `load`. */
export const hasFocus = (page, selector) =>
  page.waitForFunction((selector) => document.activeElement.matches(selector), selector);
