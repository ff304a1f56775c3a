/** What the colours of a view mean. */

import { chip, element, write } from './dom.js';

const makers = {
  camera: cameraLegend, semantic: classLegend, depth: depthLegend,
  normals: (colors) => fixedLegend('facing', colors.normals),
  edges: () => scaleLegend(['#000', '#fff'], ['0', 'probability of an edge', '1']),
  activity: (colors) => fixedLegend('tokens', colors.activity),
};

/** Return `{node, update}`; `update` takes whatever has changed, by name. */
export function makeLegend(view, colors) {
  const made = makers[view]?.(colors) ?? fixedLegend('', []);
  made.node.classList.add('legend');
  return { update: () => {}, ...made };
}

function fixedLegend(title, items) {
  return {
    node: element('div', {}, element('span', { className: 'dim' }, title),
      ...items.map(({ name, color }) => chip(color, name))),
  };
}

function classLegend() {
  const node = element('div', { tabIndex: 0, ariaLabel: 'Classes in the picture' });
  return {
    node,
    update({ classes }) {
      if (!classes) return;
      node.replaceChildren(...classes.map(({ name, color, percent }) =>
        chip(color, element('span', { title: `${Math.max(percent, 1)} % of the picture` }, name))));
    },
  };
}

function scaleLegend(colors, texts) {
  const bar = element('div', { className: 'bar' });
  bar.style.background = `linear-gradient(to right, ${colors.join(', ')})`;
  const labels = texts.map((text) => element('span', {}, text));
  return { node: element('div', { className: 'scale' }, bar, ...labels), labels };
}

function depthLegend(colors) {
  const { node, labels } = scaleLegend(colors.depth_colors, ['', '', '']);
  return {
    node,
    update({ depthRange }) {
      if (!depthRange) return;
      const [near, far] = depthRange;
      [near, (near + far) / 2, far].forEach((metres, place) =>
        write(labels[place], `${metres.toFixed(1)} m`));
    },
  };
}

function cameraLegend() {
  const text = element('span', { className: 'dim' }, 'what the node is given');
  return {
    node: element('div', {}, text),
    update({ entries }) {
      if (!entries) return;
      const counts = ['dropped', 'rejected', 'failed'].map(
        (key) => `${entries[key] ?? '–'} ${key}`);
      write(text, `input ${entries.input_hz} Hz · ${counts.join(' · ')}`);
    },
  };
}
