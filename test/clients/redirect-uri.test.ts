import { describe, expect, test } from '@jest/globals';
import { isLoopbackRedirect, redirectUriProblem } from '../../src/clients/redirect-uri.ts';

describe('S-004 a redirect URI is refused when it', () => {
  test.each([
    ['has a fragment', 'https://app.example.com/cb#x', 'fragment'],
    ['has an empty fragment', 'https://app.example.com/cb#', 'fragment'],
    ['has a wildcard host', 'https://*.example.com/cb', 'wildcard'],
    ['has a wildcard path', 'https://app.example.com/*', 'wildcard'],
    ['has a user name', 'https://user@app.example.com/cb', 'user name'],
    ['has a user name and a password', 'https://user:pw@app.example.com/cb', 'user name'],
    ['has empty user information', 'https://@app.example.com/cb', 'user name'],
    ['hides its host behind user information', 'https://app.example.com:443@evil.example/cb', 'user name'],
    ['is a script', 'javascript:alert(1)', 'scheme javascript'],
    ['is a script in disguise', 'JavaScript:alert(1)', 'scheme javascript'],
    ['is data', 'data:text/html,x', 'scheme data'],
    ['is a file', 'file:///etc/passwd', 'scheme file'],
    ['is a blob', 'blob:https://app.example.com/x', 'scheme blob'],
    ['is plain http', 'http://app.example.com/cb', 'must be https'],
    ['is plain http to a private address', 'http://192.168.1.10/cb', 'must be https'],
    ['is plain http to all addresses', 'http://0.0.0.0/cb', 'must be https'],
    ['only begins like loopback', 'http://localhost.evil.example/cb', 'must be https'],
    ['only begins like a loopback address', 'http://127.0.0.1.evil.example/cb', 'must be https'],
    ['is relative', '/cb', 'absolute URI'],
    ['is empty', '', 'absolute URI'],
    ['has a space', 'https://app.example.com/c b', 'ASCII'],
    ['has a line break', 'https://app.example.com/cb\nx', 'ASCII'],
    ['has a backslash', 'https://app.example.com\\@evil.example/cb', 'ASCII'],
    ['has letters that are not ASCII', 'https://예시.example/cb', 'ASCII'],
    ['has dot segments', 'https://app.example.com/a/../cb', 'https://app.example.com/cb'],
    ['has an upper-case host', 'https://App.example.com/cb', 'https://app.example.com/cb'],
    ['has a default port', 'https://app.example.com:443/cb', 'https://app.example.com/cb'],
    ['spells loopback oddly', 'http://127.1/cb', 'http://127.0.0.1/cb'],
    ['spells loopback as a number', 'http://0x7f000001/cb', 'http://127.0.0.1/cb'],
    ['has a response parameter', 'https://app.example.com/cb?code=x', 'query parameter code'],
    ['has an iss parameter', 'https://app.example.com/cb?a=1&iss=x', 'query parameter iss'],
    ['is longer than 2000 characters', `https://app.example.com/${'x'.repeat(2000)}`, 'longer'],
    ['has a private scheme on the web', 'com.example.app:/cb', 'application_type to native'],
  ])('%s', (_, uri, reason) => {
    expect(redirectUriProblem(uri, 'web')).toContain(reason);
  });

  test.each([
    ['has a scheme without a dot', 'myapp:/cb', 'reversed domain name'],
    ['has a scheme that belongs to everybody', 'mailto:a@example.com', 'reversed domain name'],
    ['listens on loopback with https', 'https://localhost:8443/cb', 'plain http'],
    ['is plain http elsewhere', 'http://app.example.com/cb', 'must be https'],
    ['is a script', 'javascript:alert(1)', 'scheme javascript'],
  ])('is native and %s', (_, uri, reason) => {
    expect(redirectUriProblem(uri, 'native')).toContain(reason);
  });
});

test.each([
  ['https://app.example.com/cb', 'web'],
  ['https://app.example.com', 'web'],
  ['https://app.example.com/cb?tenant=a%20b', 'web'],
  ['https://app.example.com:8443/cb', 'web'],
  ['https://localhost:8443/cb', 'web'],
  ['http://localhost:3001/callback', 'web'],
  ['http://127.0.0.1/cb', 'native'],
  ['http://[::1]:49152/cb', 'native'],
  ['https://app.example.com/claimed', 'native'],
  ['com.example.app:/cb', 'native'],
  ['com.example.app://cb', 'native'],
] as const)('%s may be registered by a %s application', (uri, applicationType) => {
  expect(redirectUriProblem(uri, applicationType)).toBeUndefined();
});

test('loopback means plain http to localhost, 127.0.0.1 or [::1]', () => {
  expect(['http://localhost/a', 'http://127.0.0.1:1/a', 'http://[::1]/a'].every(isLoopbackRedirect)).toBe(true);
  expect(
    ['https://localhost/a', 'http://127.0.0.2/a', 'http://localhost.example/a', 'x'].some(isLoopbackRedirect),
  ).toBe(false);
});
