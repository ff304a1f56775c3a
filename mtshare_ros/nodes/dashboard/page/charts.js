/** The last minute in four small charts. */

import { drawing, element, write } from './dom.js';
import { numberText, roundUp } from './numbers.js';

const SPAN_S = 60;
const GAP_S = 2.5;
const WIDTH = 240;
const HEIGHT = 60;

const CHARTS = [
  {
    title: 'Inference', unit: 'ms', color: '#6cb6ff',
    main: 'inference_ms_p50', bound: 'inference_ms_p95',
  },
  {
    title: 'Age', unit: 'ms', color: '#c9a2ff',
    main: 'age_ms_p50', bound: 'age_ms_p95',
  },
  {
    title: 'Active tokens', unit: '%', color: '#ff9c20',
    main: 'active_fraction', factor: 100, top: 100,
  },
  {
    title: 'Computation saved', unit: '%', color: '#28dccd',
    main: 'macs_saved_percent', top: 100,
  },
];

class Chart {
  constructor(options) {
    this.options = options;
    this.value = element('output', { data: { entry: options.main } }, '–');
    this.bound = element('span', { className: 'dim' });
    this.top = element('span');
    this.lines = ['bound', 'main'].map((name) => drawing('path', {
      class: name, stroke: options.color, 'vector-effect': 'non-scaling-stroke',
    }));
    this.plot = drawing('svg', {
      viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', role: 'img',
    }, drawing('path', { class: 'grid', d: `M0 ${HEIGHT / 2}H${WIDTH}` }), ...this.lines);
    this.node = element('div', { className: 'chart' },
      element('h3', {}, options.title, this.bound),
      element('div', { className: 'now' }, this.value, element('small', {}, options.unit)),
      element('div', { className: 'plot' }, this.plot, this.top, element('span', {}, '0')),
      element('div', { className: 'time dim' },
        element('span', {}, '60 s ago'), element('span', {}, 'now')));
  }

  update(points) {
    const { main, bound, unit, title } = this.options;
    const series = { main: this.read(points, main), bound: this.read(points, bound) };
    const all = [...values(series.main), ...values(series.bound)];
    const top = this.options.top ?? roundUp(Math.max(1, ...all));
    this.lines.forEach((line) =>
      line.setAttribute('d', path(series[line.getAttribute('class')], top)));
    write(this.top, String(top));
    write(this.value, numberText(series.main.at(-1)?.value));
    write(this.bound, bound ? `95 %: ${numberText(series.bound.at(-1)?.value)} ${unit}` : '');
    this.plot.setAttribute('aria-label', `${title}: ${this.value.textContent} ${unit} now`);
  }

  read(points, name) {
    const factor = this.options.factor ?? 1;
    return name ? points.map((point) => ({
      age: point.age_s, value: point[name] === null ? null : factor * point[name],
    })) : [];
  }
}

function values(points) {
  return points.map((point) => point.value).filter((value) => value !== null);
}

/** Return a path through the points that breaks where nothing was known. */
function path(points, top) {
  let last = null;
  return points.map(({ age, value }) => {
    if (value === null) { last = null; return ''; }
    const x = WIDTH * (1 - age / SPAN_S);
    const y = HEIGHT * (1 - Math.min(Math.max(value, 0), top) / top);
    const step = last !== null && last - age < GAP_S ? 'L' : 'M';
    last = age;
    return `${step}${x.toFixed(1)} ${y.toFixed(1)}`;
  }).join('');
}

export class Charts {
  constructor(parent) {
    this.charts = CHARTS.map((options) => new Chart(options));
    parent.replaceChildren(...this.charts.map((chart) => chart.node));
  }

  update(points) {
    this.charts.forEach((chart) => chart.update(points));
  }
}
