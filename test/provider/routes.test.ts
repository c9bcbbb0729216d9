import type { IncomingMessage } from 'node:http';
import { expect, test } from '@jest/globals';
import { bodyParameterInQuery } from '../../src/provider/protocol-parameters.ts';
import { hasNul, isForm } from '../../src/provider/request-body.ts';
import { findBrowserRoute, findProgramRoute, resumedInteraction } from '../../src/provider/routes.ts';

const findRoute = (path: string) => findBrowserRoute(path) ?? findProgramRoute(path);

const UID = 'Ab-_'.repeat(10).concat('xyz');

test.each([
  ['/authorize', 'authorization'],
  [`/authorize/${UID}`, 'resume'],
  ['/logout', 'end_session'],
  ['/token', 'token'],
  ['/token?a=1', 'token'],
])('%s is the route %s', (path, name) => {
  expect(findRoute(path)?.name).toBe(name);
});

test.each([
  '/',
  '/Token',
  '/token/',
  '/authorize/x',
  `/authorize/${UID}/`,
  `/authorize/${UID}x`,
  'constructor',
  '__proto__',
  '/toString',
])('S-171 %s is no route', (path) => {
  expect(findRoute(path)).toBeUndefined();
});

test('S-154 a resume path names its interaction', () => {
  expect(resumedInteraction(`/authorize/${UID}`)).toBe(UID);
  expect(resumedInteraction('/authorize')).toBeUndefined();
});

test.each([
  ['/token?client_secret=x', 'client_secret'],
  ['/token?a=1&refresh_token=', 'refresh_token'],
  ['/token?c%6fde=x', 'code'],
  ['/token?unknown=1', undefined],
  ['/token?', undefined],
  ['/token', undefined],
])('S-038 in %s the misplaced parameter is %s', (url, name) => {
  expect(bodyParameterInQuery(url)).toBe(name);
});

const withHeaders = (headers: Record<string, string>) => ({ headers }) as unknown as IncomingMessage;
const FORM = 'application/x-www-form-urlencoded';

test.each([
  [{ 'content-type': FORM }, true],
  [{ 'content-type': `${FORM.toUpperCase()} ; charset=UTF-8` }, true],
  [{ 'content-type': `${FORM}; charset="utf-8"`, 'content-encoding': 'identity' }, true],
  [{ 'content-type': `${FORM}; charset=utf-16` }, false],
  [{ 'content-type': FORM, 'content-encoding': 'gzip' }, false],
  [{ 'content-type': 'application/json' }, false],
  [{}, false],
])('%j is a form: %s', (headers, expected) => {
  expect(isForm(withHeaders(headers as Record<string, string>))).toBe(expected);
});

test.each([
  ['a=b', false],
  ['a=%00', true],
  ['a=\0', true],
])('%j has a NUL: %s', (body, expected) => {
  expect(hasNul(body)).toBe(expected);
});
