// A relying party in the browser: authorization code flow with PKCE, every message shown. It talks only to its own origin, keeps its
// secrets in this window (sessionStorage) and writes text into the page, never markup.

const root = document.querySelector('[data-playground]');
const { issuer, clientId, redirectUri, postLogoutRedirectUri } = root.dataset;
const FLOW = 'daemun-playground-flow';

// ── Words and pieces of the page ─────────────────────────────────────────────

const words = new Map(
  [...document.getElementById('words').content.querySelectorAll('[data-word]')].map((word) => [
    word.dataset.word.replace('playground.', ''),
    word.textContent.trim(),
  ]),
);

function piece(id) {
  return document.getElementById(id).content.firstElementChild.cloneNode(true);
}

function slot(element, name) {
  return element.querySelector(`[data-slot="${name}"]`);
}

function step(name) {
  const element = root.querySelector(`[data-step="${name}"]`);
  element.hidden = false;
  return element;
}

function fail(text) {
  const box = document.querySelector('[data-failure]');
  box.hidden = false;
  box.querySelector('p').textContent = text;
}

function parametersOf(entries) {
  const list = piece('parameters');
  for (const [name, value] of entries) {
    const row = document.createElement('div');
    const term = document.createElement('dt');
    const description = document.createElement('dd');
    const code = document.createElement('code');
    term.textContent = name;
    code.textContent = value;
    description.append(code);
    const why = words.get(`param.${name}`);
    if (why) {
      const note = document.createElement('span');
      note.className = 'why';
      note.textContent = why;
      description.append(note);
    }
    row.append(term, description);
    list.append(row);
  }
  return list;
}

function jsonOf(title, value, { open = true } = {}) {
  const box = piece('json');
  box.open = open;
  slot(box, 'title').textContent = title;
  const pre = box.querySelector('pre');
  pre.setAttribute('aria-label', title);
  const source = JSON.stringify(value, null, 2) ?? String(value);
  const token = /("(?:[^"\\]|\\.)*")(\s*:)?|(-?\d[\d.eE+-]*|true|false|null)/g;
  let end = 0;
  for (const match of source.matchAll(token)) {
    pre.append(source.slice(end, match.index));
    const part = document.createElement('span');
    part.className = match[2] ? 'key' : match[1] ? 'text' : 'other';
    part.textContent = match[1] ?? match[3];
    pre.append(part, match[2] ?? '');
    end = match.index + match[0].length;
  }
  pre.append(source.slice(end));
  return box;
}

function checksOf(checks) {
  const list = document.createElement('ul');
  list.className = 'checks';
  for (const [text, passed] of checks) {
    const item = piece(passed ? 'check' : 'check-failed');
    item.querySelector('span').textContent = passed ? text : `${words.get('check.failed')} (${text})`;
    list.append(item);
  }
  return list;
}

function showExchange(place, { method, url, parts }) {
  const exchange = piece('exchange');
  slot(exchange, 'method').textContent = method;
  slot(exchange, 'url').textContent = url;
  slot(exchange, 'body').replaceWith(...(parts.length ? [wrap(parts)] : []));
  place.querySelector('.exchanges').append(exchange);
  return exchange;
}

function wrap(parts) {
  const body = document.createElement('div');
  body.append(...parts);
  return body;
}

// ── The protocol ─────────────────────────────────────────────────────────────

function base64url(bytes) {
  return btoa(String.fromCharCode(...new Uint8Array(bytes)))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '');
}

function bytesOf(text) {
  const binary = atob(text.replaceAll('-', '+').replaceAll('_', '/'));
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
}

function random() {
  return base64url(crypto.getRandomValues(new Uint8Array(32)));
}

async function challengeOf(verifier) {
  return base64url(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(verifier)));
}

const ALGORITHMS = {
  RS256: [{ name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }],
  PS256: [
    { name: 'RSA-PSS', hash: 'SHA-256' },
    { name: 'RSA-PSS', saltLength: 32 },
  ],
  ES256: [
    { name: 'ECDSA', namedCurve: 'P-256' },
    { name: 'ECDSA', hash: 'SHA-256' },
  ],
  EdDSA: [{ name: 'Ed25519' }],
};

function decodeJwt(token) {
  const parts = token.split('.');
  if (parts.length !== 3) return undefined;
  try {
    const [header, payload] = parts.slice(0, 2).map((part) => JSON.parse(new TextDecoder().decode(bytesOf(part))));
    return { header, payload, parts };
  } catch {
    return undefined;
  }
}

async function verify({ header, parts }, jwksUri) {
  const { keys } = await (await fetch(jwksUri)).json();
  const jwk = keys.find((key) => key.kid === header.kid);
  const algorithm = ALGORITHMS[header.alg];
  if (!jwk || !algorithm) return false;
  const { kty, n, e, crv, x, y } = jwk;
  const key = await crypto.subtle.importKey('jwk', { kty, n, e, crv, x, y }, algorithm[0], false, ['verify']);
  const signed = new TextEncoder().encode(`${parts[0]}.${parts[1]}`);
  return crypto.subtle.verify(algorithm[1] ?? algorithm[0], key, bytesOf(parts[2]), signed);
}

async function tokenSection(name, token, metadata, flow) {
  const section = piece('token');
  slot(section, 'title').textContent = words.get(name);
  const raw = slot(section, 'raw');
  raw.parentElement.tabIndex = 0;
  raw.parentElement.setAttribute('role', 'group');
  raw.parentElement.setAttribute('aria-label', words.get(name));
  const decoded = decodeJwt(token);
  if (!decoded) {
    raw.textContent = token;
    if (name === 'access-token') slot(section, 'parts').before(opaqueNote());
    return section;
  }
  decoded.parts.forEach((part, index) => {
    const span = document.createElement('span');
    span.className = `part-${index + 1}`;
    span.textContent = part;
    raw.append(index ? '.' : '', span);
  });
  const valid = await verify(decoded, metadata.jwks_uri);
  const checks = [[words.get(valid ? 'signature.valid' : 'signature.invalid'), valid]];
  if (name === 'id-token') {
    checks.push([words.get('check.issuer'), decoded.payload.iss === issuer]);
    if (decoded.payload.nonce !== undefined)
      checks.push([words.get('check.nonce'), decoded.payload.nonce === flow.nonce]);
  }
  section.querySelector('.checks').replaceWith(checksOf(checks));
  slot(section, 'parts').append(
    jsonOf(words.get('header'), decoded.header),
    jsonOf(words.get('payload'), decoded.payload),
  );
  return section;
}

function opaqueNote() {
  const note = document.createElement('p');
  note.className = 'quiet small';
  note.textContent = words.get('opaque');
  return note;
}

function pathOf(url) {
  const { pathname } = new URL(url);
  return pathname;
}

async function discover() {
  const url = `${issuer}/.well-known/openid-configuration`;
  const response = await fetch(url);
  const metadata = await response.json();
  showExchange(step('discovery'), {
    method: 'GET',
    url: pathOf(url),
    parts: [jsonOf(words.get('response'), metadata, { open: false })],
  });
  return metadata;
}

// ── Going out ────────────────────────────────────────────────────────────────

function showRequest(metadata, flow) {
  showExchange(step('request'), {
    method: 'GET',
    url: pathOf(metadata.authorization_endpoint),
    parts: [parametersOf(Object.entries(flow.parameters))],
  });
}

async function prepare(metadata) {
  const place = step('request');
  const choices = place.querySelector('[data-start]');
  const go = place.querySelector('[data-go]');
  const flow = { verifier: random(), state: random(), nonce: random(), parameters: {} };
  const challenge = await challengeOf(flow.verifier);
  let url;

  function update() {
    const scopes = [...choices.elements.scope].filter((box) => box.checked).map((box) => box.value);
    flow.parameters = {
      response_type: 'code',
      client_id: clientId,
      redirect_uri: redirectUri,
      scope: scopes.join(' '),
      state: flow.state,
      nonce: flow.nonce,
      code_challenge: challenge,
      code_challenge_method: 'S256',
      ...(choices.elements.prompt.value && { prompt: choices.elements.prompt.value }),
    };
    url = `${metadata.authorization_endpoint}?${new URLSearchParams(flow.parameters)}`;
    place.querySelector('.exchanges').replaceChildren();
    showRequest(metadata, flow);
  }

  choices.addEventListener('change', update);
  choices.addEventListener('submit', (event) => event.preventDefault());
  update();
  go.hidden = false;
  go.addEventListener('click', () => {
    sessionStorage.setItem(FLOW, JSON.stringify(flow));
    location.assign(url);
  });
}

// ── Coming back ──────────────────────────────────────────────────────────────

async function finish(metadata) {
  const answer = new URLSearchParams(location.search);
  const place = step('request');
  place.querySelector('[data-start]').hidden = true;
  place.querySelector('[data-again]').hidden = false;
  const flow = JSON.parse(sessionStorage.getItem(FLOW) ?? 'null');
  sessionStorage.removeItem(FLOW);
  if (flow) showRequest(metadata, flow);
  // The code is worth something for a minute: it leaves the address bar and the history at once.
  history.replaceState(null, '', location.pathname);
  const ours = flow !== null && answer.get('state') === flow.state;
  const checks = [
    [words.get('check.state'), ours],
    [words.get('check.issuer'), answer.get('iss') === issuer],
  ];
  showExchange(step('response'), {
    method: 'GET',
    url: pathOf(redirectUri),
    parts: [parametersOf(answer), checksOf(checks)],
  });
  if (!ours || answer.get('iss') !== issuer) return fail(words.get('expired'));
  if (!answer.has('code')) return undefined;
  return exchange(metadata, flow, step('token'), {
    grant_type: 'authorization_code',
    client_id: clientId,
    code: answer.get('code'),
    redirect_uri: redirectUri,
    code_verifier: flow.verifier,
  });
}

async function exchange(metadata, flow, place, parameters) {
  const response = await fetch(metadata.token_endpoint, { method: 'POST', body: new URLSearchParams(parameters) });
  const tokens = await response.json();
  const parts = [
    parametersOf(Object.entries(parameters)),
    jsonOf(words.get('response'), tokens, { open: !response.ok }),
  ];
  for (const [name, value] of [
    ['id-token', tokens.id_token],
    ['access-token', tokens.access_token],
    ['refresh-token', tokens.refresh_token],
  ]) {
    if (value) parts.push(await tokenSection(name, value, metadata, flow));
  }
  showExchange(place, { method: 'POST', url: pathOf(metadata.token_endpoint), parts });
  if (!response.ok) {
    fail(words.get('failed'));
    return undefined;
  }
  return { tokens, flow };
}

function offerMore(metadata, { tokens, flow }) {
  const place = step('next');
  let current = tokens;
  const refresh = place.querySelector('[data-refresh]');
  refresh.hidden = !current.refresh_token;

  place.querySelector('[data-userinfo]').addEventListener('click', async () => {
    const response = await fetch(metadata.userinfo_endpoint, {
      headers: { Authorization: `Bearer ${current.access_token}` },
    });
    const text = await response.text();
    const body = text ? JSON.parse(text) : response.headers.get('WWW-Authenticate');
    showExchange(place, {
      method: 'GET',
      url: pathOf(metadata.userinfo_endpoint),
      parts: [jsonOf(`${words.get('response')} · ${response.status}`, body)],
    });
  });

  refresh.addEventListener('click', async () => {
    const renewed = await exchange(metadata, flow, place, {
      grant_type: 'refresh_token',
      client_id: clientId,
      refresh_token: current.refresh_token,
    });
    if (renewed) current = { ...current, ...renewed.tokens };
  });

  place.querySelector('[data-sign-out]').addEventListener('click', () => {
    const parameters = new URLSearchParams({
      client_id: clientId,
      post_logout_redirect_uri: postLogoutRedirectUri,
      state: 'signed-out',
      ...(current.id_token && { id_token_hint: current.id_token }),
    });
    location.assign(`${metadata.end_session_endpoint}?${parameters}`);
  });
}

async function run() {
  const metadata = await discover();
  const query = new URLSearchParams(location.search);
  if (root.dataset.returning !== undefined) {
    const result = await finish(metadata);
    if (result) offerMore(metadata, result);
    return;
  }
  if (query.get('state') === 'signed-out') {
    document.querySelector('[data-signed-out]').hidden = false;
    history.replaceState(null, '', location.pathname);
  }
  await prepare(metadata);
}

run().catch(() => fail(words.get('failed')));
