/** The form of the node's parameters: its ranges, its values, its refusals. */

import { makeControl } from './controls.js';
import { element, write } from './dom.js';

const OPEN_GROUPS = ['temporal', 'task'];
const REST = 'node';

/** One parameter: its control, what it means, and why the node refused a value. */
class Row {
  constructor(parameter, send) {
    this.parameter = parameter;
    this.send = send;
    this.isAsked = false;
    this.wanted = undefined;
    const id = `parameter-${parameter.name}`;
    this.control = makeControl(parameter, id, (value) => this.change(value));
    this.text = element('p', { className: 'text', title: parameter.allowed, role: 'status' });
    const data = { parameter: parameter.name };
    this.node = element('div', { className: 'row', data },
      element('label', { htmlFor: id }, parameter.name), this.control.node, this.text);
    this.update(parameter);
  }

  /** Take over what the node says, unless the user is ahead of it. */
  update(parameter) {
    this.parameter = parameter;
    if (!this.isAsked && this.wanted === undefined) this.control.show(parameter.value);
    if (!this.node.classList.contains('refused')) write(this.text, parameter.text);
  }

  /** Ask for a value; while one is asked for, only the newest waits. */
  change(value) {
    this.node.classList.remove('refused');
    write(this.text, this.parameter.text);
    this.wanted = value;
    if (!this.isAsked) this.ask();
  }

  ask() {
    this.isAsked = true;
    this.send('set', { name: this.parameter.name, value: this.wanted });
    this.wanted = undefined;
  }

  answer(problem) {
    this.isAsked = false;
    if (this.wanted !== undefined) { this.ask(); return; }
    this.node.classList.toggle('refused', problem !== '');
    if (problem) {
      write(this.text, problem);
      this.control.show(this.parameter.value);
    }
  }
}

export class Parameters {
  constructor(parent, send) {
    this.parent = parent;
    this.send = send;
    this.rows = new Map();
  }

  /** Show these parameters; a new form where the node has others than before. */
  update(parameters) {
    const shapes = parameters.map(shape).join();
    if (shapes !== this.shapes) this.build(parameters);
    this.shapes = shapes;
    parameters.forEach((parameter) => this.rows.get(parameter.name).update(parameter));
  }

  answer(name, problem) {
    this.rows.get(name)?.answer(problem);
  }

  /** Forget what was asked for: its answer will not come any more. */
  restart() {
    this.rows.forEach((row) => { row.isAsked = false; row.wanted = undefined; });
  }

  build(parameters) {
    this.rows = new Map(parameters.map((item) => [item.name, new Row(item, this.send)]));
    const groups = groupBy(parameters, groupOf);
    this.parent.replaceChildren(...[...groups].map(([name, members]) => element('details',
      { open: OPEN_GROUPS.includes(name) }, element('summary', {}, name),
      ...members.map((member) => this.rows.get(member.name).node))));
  }
}

function shape({ name, kind, limits, choices }) {
  return JSON.stringify([name, kind, limits, choices]);
}

function groupOf({ name }) {
  return name.includes('.') ? name.split('.')[0] : REST;
}

function groupBy(items, key) {
  const groups = new Map();
  items.forEach((item) => groups.set(key(item), [...(groups.get(key(item)) ?? []), item]));
  return groups;
}
