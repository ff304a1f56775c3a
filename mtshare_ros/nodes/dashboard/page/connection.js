/** The socket to the dashboard's server, opened again whenever it is lost. */

const SHORTEST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 5000;

export class Connection {
  /** `onMessage` gets objects, `onPicture` a channel's number and a Blob, `onLost` nothing. */
  constructor({ onMessage, onPicture, onLost }) {
    this.handlers = { onMessage, onPicture, onLost };
    this.pause = SHORTEST_PAUSE_MS;
    this.open();
  }

  open() {
    const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
    this.socket = new WebSocket(`${scheme}://${location.host}/socket`);
    this.socket.binaryType = 'arraybuffer';
    this.socket.onopen = () => { this.pause = SHORTEST_PAUSE_MS; };
    this.socket.onmessage = (event) => this.receive(event.data);
    this.socket.onclose = (event) => this.lose(event.reason);
  }

  receive(data) {
    if (typeof data === 'string') {
      this.handlers.onMessage(JSON.parse(data));
    } else {
      const channel = new Uint8Array(data, 0, 1)[0];
      this.handlers.onPicture(channel, new Blob([new Uint8Array(data, 1)], { type: 'image/jpeg' }));
    }
  }

  lose(reason) {
    this.handlers.onLost(reason);
    setTimeout(() => this.open(), this.pause);
    this.pause = Math.min(2 * this.pause, LONGEST_PAUSE_MS);
  }

  /** Send a request, unless the socket is closed; a page that comes back begins anew. */
  send(kind, values) {
    if (this.socket.readyState === WebSocket.OPEN) {
      this.socket.send(JSON.stringify({ kind, ...values }));
    }
  }
}
