// Preloaded into a node: ends it by SIGKILL at a point that is chosen by number. Points lie before and after everything a request
// waits for: each statement (before it is sent, when it is under way, after its answer), each password hash, each signature, the
// arrival of the request, the answer. Not armed, it only passes calls on.

import { AsyncLocalStorage } from 'node:async_hooks';
import http from 'node:http';
import { createRequire } from 'node:module';
import pg from 'pg';

const fromTheStart = process.env.KILL_AT_POINT;
let armed = fromTheStart !== undefined;
/** 0 means none: points are only counted. */
let killAt = Number(fromTheStart) || Number.POSITIVE_INFINITY;
let labels = [];
/** Set in whatever follows from a request: what timers do has no points. */
const request = new AsyncLocalStorage();
if (armed) process.on('exit', () => process.stderr.write(`${labels.length} points\n`));

process.on('message', ({ arm, disarm }) => {
  if (arm !== undefined) {
    labels = [];
    killAt = arm || Number.POSITIVE_INFINITY;
    armed = true;
    process.send({ armed: true });
  } else if (disarm) {
    armed = false;
    process.send({ labels });
  }
});
process.channel?.unref();

function point(label) {
  if (!armed || !(fromTheStart || request.getStore())) return;
  labels.push(label);
  if (labels.length === killAt) process.kill(process.pid, 'SIGKILL');
}

const { query } = pg.Client.prototype;
pg.Client.prototype.query = function (config, ...rest) {
  if (!armed) return query.call(this, config, ...rest);
  const name = nameOf(config);
  point(`before ${name}`);
  const index = rest.findLastIndex((value) => typeof value === 'function');
  if (index >= 0) {
    const callback = rest[index];
    rest[index] = (...answer) => {
      point(`after ${name}`);
      return callback(...answer);
    };
  }
  const result = query.call(this, config, ...rest);
  setImmediate(() => point(`during ${name}`));
  return typeof result?.then === 'function' && index < 0 ? passing(result, `after ${name}`) : result;
};

function nameOf(config) {
  const text = typeof config === 'string' ? config : (config?.name ?? config?.text ?? 'statement');
  return String(text).replace(/\s+/g, ' ').trim().slice(0, 40);
}

async function passing(promise, label) {
  try {
    return await promise;
  } finally {
    point(label);
  }
}

for (const [target, name] of [
  [createRequire(import.meta.url)('bcrypt'), 'compare'],
  [createRequire(import.meta.url)('bcrypt'), 'hash'],
  [crypto.subtle, 'sign'],
]) {
  const original = target[name];
  target[name] = function (...given) {
    point(`before ${name}`);
    const result = original.apply(this, given);
    return typeof result?.then === 'function' ? passing(result, `after ${name}`) : result;
  };
}

const { emit } = http.Server.prototype;
http.Server.prototype.emit = function (event, ...rest) {
  if (event !== 'request') return emit.call(this, event, ...rest);
  return request.run(true, () => {
    point('request arrived');
    return emit.call(this, event, ...rest);
  });
};
const { end } = http.ServerResponse.prototype;
http.ServerResponse.prototype.end = function (...given) {
  point('before the answer');
  const result = end.apply(this, given);
  setImmediate(() => point('after the answer'));
  return result;
};
