/** The pictures: one tile for each view of the chosen camera. */

import { element, write } from './dom.js';
import { makeLegend } from './legends.js';

const SILENCE_MS = 5000;
const WAITS_KEPT = 10;
const PATIENCE = 3;
const RATE_WINDOW_MS = 5000;

/** One picture with its name, its rate and its legend. */
class Tile {
  constructor(channel, colors, onSeen, onToggle) {
    this.channel = channel;
    this.onSeen = onSeen;
    this.isWatched = true;
    this.arrivals = [];
    this.waits = [];
    this.last = undefined;
    this.since = performance.now();
    this.image = element('img', { alt: `${channel.title}, live`, draggable: false });
    this.image.onload = () => this.finish();
    this.image.onerror = () => this.finish();
    this.cover = element('p', { className: 'cover' }, 'waiting for the first picture');
    this.topic = element('code', { title: channel.topic }, channel.topic);
    this.rate = element('span', { className: 'rate' });
    this.legend = makeLegend(channel.view, colors);
    this.button = element('button', {
      type: 'button', className: 'watch', onclick: () => { this.toggle(); onToggle(); },
      title: 'Hide this view; what nobody watches is not computed',
    }, 'hide');
    this.node = element('figure', { data: { view: channel.view } },
      element('figcaption', {},
        element('strong', {}, channel.title), this.topic, this.rate, this.button),
      element('div', { className: 'picture' }, this.image, this.cover), this.legend.node);
  }

  toggle() {
    this.isWatched = !this.isWatched;
    write(this.button, this.isWatched ? 'hide' : 'show');
    this.button.setAttribute('aria-label', `${this.button.textContent} ${this.channel.title}`);
    this.restart();
  }

  /** Wait for a picture from now on: older ones say nothing any more. */
  restart() {
    this.arrivals = [];
    this.last = undefined;
    this.since = performance.now();
    this.look();
  }

  show(blob) {
    const now = performance.now();
    if (this.last !== undefined) this.waits = [...this.waits, now - this.last].slice(-WAITS_KEPT);
    this.last = now;
    this.arrivals.push(now);
    this.image.src = URL.createObjectURL(blob);
    this.look();
  }

  finish() {
    URL.revokeObjectURL(this.image.src);
    this.image.classList.add('shown');
    this.onSeen(this.channel.number);
  }

  /** Name the topic that the node takes the camera's images from, once it says so. */
  locate({ image_topic: topic }) {
    if (this.channel.view !== 'camera' || !topic) return;
    write(this.topic, topic);
    this.topic.title = topic;
  }

  /** Return the silence that is told: a slow camera may take three of its usual waits. */
  limit() {
    const longest = [...this.waits].sort((one, other) => other - one);
    return Math.max(SILENCE_MS, PATIENCE * (longest[1] ?? longest[0] ?? 0));
  }

  /** Say how often pictures come, or that they do not. */
  look() {
    const now = performance.now();
    const silent = now - (this.last ?? this.since);
    this.arrivals = this.arrivals.filter((at) => now - at < RATE_WINDOW_MS);
    const hasPicture = this.image.classList.contains('shown');
    write(this.rate, rateText(this.arrivals));
    write(this.cover, coverText(this.isWatched, hasPicture, silent, this.limit()));
    this.node.classList.toggle('covered', this.cover.textContent !== '');
  }
}

function rateText(arrivals) {
  const span = arrivals.at(-1) - arrivals[0];
  return arrivals.length > 1 ? `${(1000 * (arrivals.length - 1) / span).toFixed(1)} Hz` : '– Hz';
}

function coverText(isWatched, hasPicture, silent, limit) {
  if (!isWatched) return 'hidden: the node need not compute it';
  if (silent > limit) return `no picture for ${Math.floor(silent / 1000)} s`;
  return hasPicture ? '' : 'waiting for the first picture';
}

/** All tiles, and which channels the server is asked for. */
export class Views {
  constructor(parent, send) {
    this.parent = parent;
    this.send = send;
    this.tiles = new Map();
    document.addEventListener('visibilitychange', () => this.watch());
    setInterval(() => this.tiles.forEach((tile) => tile.look()), 500);
  }

  /** Show these channels, each a view of one camera. */
  open(channels, colors) {
    const seen = (channel) => this.send('seen', { channel });
    const tiles = channels.map(
      (channel) => new Tile(channel, colors, seen, () => this.watch()));
    this.tiles = new Map(tiles.map((tile) => [tile.channel.number, tile]));
    this.parent.replaceChildren(...tiles.map((tile) => tile.node));
    this.watch();
  }

  /** Ask for what is shown; for nothing while the page is in the background. */
  watch() {
    const tiles = document.hidden ? [] : [...this.tiles.values()].filter((tile) => tile.isWatched);
    tiles.forEach((tile) => tile.restart());
    this.send('watch', { channels: tiles.map((tile) => tile.channel.number) });
  }

  show(channel, blob) {
    this.tiles.get(channel)?.show(blob);
  }

  /** Update the legends that depend on what the node says; `channel` chooses one of them. */
  explain(values, channel) {
    for (const tile of this.tiles.values()) {
      if (channel === undefined || channel === tile.channel.number) tile.legend.update(values);
      if (values.entries) tile.locate(values.entries);
    }
  }
}
