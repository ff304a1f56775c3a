/** The state of the node: level, reason and entries, and why the page may not know them. */

import { element, write } from './dom.js';

const UNITS = { hz: 'Hz', ms: 'ms', percent: '%', mb: 'MB', s: 's' };

const PROMISE = 'The page continues by itself when the node is back.';
const QUESTION = 'Is it running, under this name and in this ROS domain?';

const byId = (id) => document.getElementById(id);

export class Status {
  constructor() {
    this.rows = new Map();
  }

  /** Show the state of one camera of the node. */
  update({ node, alive, heard, silent_s: silent }, camera) {
    write(byId('node'), node);
    document.title = `${node.split('/').pop()} · dashboard`;
    const seconds = Math.floor(silent);
    if (alive) this.notice('');
    else if (heard) this.lose('LOST', `${node} has been silent for ${seconds} s. ${PROMISE}`);
    else this.lose('WAITING', `${node} has sent nothing for ${seconds} s. ${QUESTION}`);
    if (alive && camera) this.level(camera.level, ...split(camera.message));
    if (camera) this.entries(camera.entries);
  }

  /** Show that the dashboard cannot be reached. */
  disconnect(reason) {
    this.lose('NO CONNECTION', reason || 'The dashboard cannot be reached; the page tries again by itself.');
  }

  lose(word, text) {
    this.level('error', word, '');
    this.notice(text);
  }

  level(name, word, reason) {
    byId('level').className = `level ${name}`;
    write(byId('level'), word);
    write(byId('message'), reason);
    byId('message').title = reason;
  }

  notice(text) {
    write(byId('notice'), text);
    byId('notice').hidden = text === '';
    document.body.classList.toggle('lost', text !== '');
  }

  entries(values) {
    for (const [key, value] of Object.entries(values)) {
      if (!this.rows.has(key)) this.add(key);
      write(this.rows.get(key), value === '' || value === 'nan' ? '–' : value);
    }
  }

  add(key) {
    const words = key.split('_');
    const unit = words.map((word) => UNITS[word]).find(Boolean) ?? '';
    const name = words.filter((word) => !UNITS[word]).join(' ');
    const value = element('span', { data: { entry: key } });
    this.rows.set(key, value);
    byId('entries').append(element('div', {},
      element('dt', {}, name), element('dd', {}, value, element('small', {}, unit && ` ${unit}`))));
  }
}

/** Return the word in capitals that a message may begin with, and the rest. */
function split(message) {
  const found = /^([A-Z]+): (.*)$/s.exec(message);
  if (found) return [found[1], found[2]];
  return message === 'running' ? ['OK', ''] : [message.split(':')[0].toUpperCase(), message];
}
