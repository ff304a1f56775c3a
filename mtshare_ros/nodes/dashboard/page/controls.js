/** One control for one parameter: `{node, show(value)}`; `change` is told what the user chose. */

import { element } from './dom.js';
import { roundUp } from './numbers.js';

const STEPS = 200;

/** Return the control that fits what the node says of the parameter. */
export function makeControl(parameter, id, change) {
  if (parameter.kind === 'bool') return makeSwitch(id, change);
  if (parameter.choices.length > 1) return makeSelect(parameter, id, change);
  if (parameter.limits) return makeSlider(parameter, id, change);
  return makeText(parameter, id, change);
}

function makeSwitch(id, change) {
  const node = element('input', { type: 'checkbox', id, className: 'switch', role: 'switch' });
  node.onchange = () => change(node.checked);
  return { node, show: (value) => { node.checked = value; } };
}

function makeSelect({ choices }, id, change) {
  const node = element('select', { id },
    ...choices.map((choice) => element('option', { value: choice }, choice)));
  node.onchange = () => change(node.value);
  return { node, show: (value) => { node.value = value; } };
}

function makeSlider({ kind, limits: [min, max], unit, name }, id, change) {
  const step = kind === 'integer' ? 1 : roundUp((max - min) / STEPS);
  const slider = element('input', { type: 'range', min, max, step, aria: { label: name } });
  const number = element('input', { type: 'number', id, step: kind === 'integer' ? 1 : 'any' });
  slider.oninput = () => {
    number.value = written(slider.valueAsNumber, kind);
    change(slider.valueAsNumber);
  };
  number.onchange = () => { if (number.value !== '') change(number.valueAsNumber); };
  return {
    node: element('div', { className: 'slider' }, slider, number,
      element('span', { className: 'unit' }, unit)),
    show: (value) => {
      slider.value = value;
      if (number.valueAsNumber !== value) number.value = written(value, kind);
    },
  };
}

function makeText({ kind, unit }, id, change) {
  const isList = kind.endsWith('_array');
  const node = element('input', { type: 'text', id, spellcheck: false });
  node.onchange = () => change(isList ? readNumbers(node.value) : node.value);
  return {
    node: element('div', { className: 'slider' }, node,
      element('span', { className: 'unit' }, unit)),
    show: (value) => {
      node.value = isList ? value.map((item) => written(item, kind)).join(', ') : value;
    },
  };
}

/** Return a number as ROS wants it: a double has a decimal point. */
function written(value, kind) {
  return kind.startsWith('double') && Number.isInteger(value) ? value.toFixed(1) : String(value);
}

/** Return the numbers of a list; text that is none stays text, which the node refuses. */
function readNumbers(text) {
  const numbers = text.split(/[\s,;[\]]+/).filter(Boolean).map(Number);
  return numbers.every(Number.isFinite) ? numbers : text;
}
