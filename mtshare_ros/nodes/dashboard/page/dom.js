/** Making elements without markup in strings: text from outside can never become HTML. */

/** Return an element with properties, `data` attributes, `aria` attributes and children. */
export function element(tag, { data = {}, aria = {}, ...properties } = {}, ...children) {
  const made = document.createElement(tag);
  Object.assign(made, properties);
  Object.assign(made.dataset, data);
  for (const [name, value] of Object.entries(aria)) made.setAttribute(`aria-${name}`, value);
  made.append(...children);
  return made;
}

/** Return an SVG element with attributes. */
export function drawing(tag, attributes = {}, ...children) {
  const made = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** Return a small square of a colour with a text beside it. */
export function chip(color, text) {
  const square = element('i');
  square.style.background = color;
  return element('span', { className: 'chip' }, square, text);
}

/** Set a text only where it differs: what did not change is not drawn or read out again. */
export function write(target, text) {
  if (target.textContent !== text) target.textContent = text;
}
