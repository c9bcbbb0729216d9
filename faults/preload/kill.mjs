// Preloaded into a node: ends it by SIGKILL at a point that is chosen by number. Points lie before and after everything a request
// waits for: each statement and each command to Redis (before it is sent, when it is under way, after its answer), each password
// hash, each signature, the arrival of the request, the answer. Not armed, it only passes calls on.

import { AsyncLocalStorage } from 'node:async_hooks';
import http from 'node:http';
import { createRequire } from 'node:module';
// The service's own, which is not the one of node_modules.
import pg from '../../dist/pg.js';

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

const require = createRequire(import.meta.url);
const bcrypt = require('bcrypt');
const argon2 = require('@node-rs/argon2');
for (const [target, name, label] of [
  [bcrypt, 'compare', 'bcrypt compare'],
  [bcrypt, 'hash', 'bcrypt hash'],
  [argon2, 'verify', 'argon2id verify'],
  [argon2, 'hash', 'argon2id hash'],
  [crypto.subtle, 'sign', 'sign'],
]) {
  const original = target[name];
  target[name] = function (...given) {
    point(`before ${label}`);
    const result = original.apply(this, given);
    return typeof result?.then === 'function' ? passing(result, `after ${label}`) : result;
  };
}

if (process.env.REDIS_URL) {
  // The library makes a class of its own for every set of options; what they send goes through the one below them.
  const { default: redisOfService } = await import('../../dist/redis.js');
  const redis = ownerOf(redisOfService.createClient(), 'sendCommand');
  const { sendCommand } = redis;
  redis.sendCommand = function (command, ...rest) {
    point(`before ${command[0]}`);
    const result = sendCommand.call(this, command, ...rest);
    if (armed) setImmediate(() => point(`during ${command[0]}`));
    return passing(result, `after ${command[0]}`);
  };
}

function ownerOf(object, name) {
  return Object.hasOwn(object, name) ? object : ownerOf(Object.getPrototypeOf(object), name);
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
