/** The page: what the server says goes to its parts, what the user does goes to the server. */

import { Charts } from './charts.js';
import { Connection } from './connection.js';
import { element, write } from './dom.js';
import { Parameters } from './parameters.js';
import { Status } from './status.js';
import { Views } from './views.js';

const byId = (id) => document.getElementById(id);
const send = (kind, values) => connection.send(kind, values);

const charts = new Charts(byId('charts'));
const parameters = new Parameters(byId('parameters'), send);
const status = new Status();
const views = new Views(byId('views'), send);
let hello = null;
let lastStatus = null;
let depthRange = null;

const chosenCamera = () => byId('camera').value;

const readers = {
  hello(message) {
    hello = message;
    parameters.restart();
    const cameras = [...new Set(hello.channels.map((channel) => channel.camera))];
    const chosen = cameras.includes(chosenCamera()) ? chosenCamera() : cameras[0];
    byId('camera').replaceChildren(
      ...cameras.map((name) => element('option', { value: name }, name || 'camera')));
    byId('camera').value = chosen;
    byId('camera-choice').hidden = cameras.length < 2;
    openCamera();
  },

  status(message) {
    lastStatus = message;
    showStatus();
  },

  parameters(message) {
    parameters.update(message.parameters);
    depthRange = message.parameters.find(({ name }) => name === 'depth.color_range')?.value;
    views.explain({ depthRange });
  },

  legend({ channel, classes }) {
    views.explain({ classes }, channel);
  },

  answer({ name, problem }) {
    parameters.answer(name, problem);
  },

  reset_answer({ problem }) {
    flash(problem || 'done', problem !== '');
  },
};

function openCamera() {
  views.open(hello.channels.filter(({ camera }) => camera === chosenCamera()), hello);
  views.explain({ depthRange });
  if (lastStatus) showStatus();
}

function showStatus() {
  const camera = lastStatus.cameras[chosenCamera()];
  status.update(lastStatus, camera);
  charts.update(lastStatus.history[chosenCamera()] ?? []);
  if (camera) views.explain({ entries: camera.entries });
  const { alive, reset_obstacles: obstacles } = lastStatus;
  const obstacle = alive ? obstacles[chosenCamera()] : 'the node is not there';
  byId('reset').disabled = obstacle !== '';
  byId('reset').title = obstacle || 'Forget the camera: the next frame is computed whole';
}

/** Show for a moment what became of a reset, in the button's own place. */
function flash(text, isProblem) {
  const button = byId('reset');
  write(button, isProblem ? `refused: ${text}` : 'Cache reset');
  button.title = text;
  button.classList.toggle('refused', isProblem);
  setTimeout(() => { write(button, 'Reset cache'); button.classList.remove('refused'); }, 2500);
}

byId('camera').onchange = openCamera;
byId('reset').onclick = () => send('reset', { camera: chosenCamera() });

const connection = new Connection({
  onMessage: (message) => readers[message.kind]?.(message),
  onPicture: (channel, blob) => views.show(channel, blob),
  onLost: (reason) => { parameters.restart(); status.disconnect(reason); },
});
